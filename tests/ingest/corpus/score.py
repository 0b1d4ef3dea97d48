"""How well rules judge the labelled corpus. Pure functions."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ingest.enrich.verdict import Judgement
from tests.ingest.corpus.labelled import Label, Sample

Opinion = Callable[[str], Judgement]


@dataclass(frozen=True, slots=True)
class Miss:
    """A sample judged against its label, and by which rule."""

    sample: Sample
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Score:
    """Of `total` samples of one group, those that are `missed`."""

    group: str
    total: int
    missed: tuple[Miss, ...]

    @property
    def right(self) -> float:
        return 1 - len(self.missed) / self.total if self.total else 1.0


def is_right(label: Label, verdict: str) -> bool:
    """Whether a verdict keeps people and others apart as the label does."""
    return (verdict == "human") == (label == "human")


def is_exact(label: Label, verdict: str) -> bool:
    """As `is_right`, and previews and machines told apart where the label does."""
    return verdict == label if label != "robot" else verdict != "human"


def score(
    group: str,
    samples: Iterable[Sample],
    opinion: Opinion,
    matches: Callable[[Label, str], bool] = is_right,
) -> Score:
    judged = [Miss(sample, opinion(sample.user_agent)) for sample in samples]
    missed = tuple(each for each in judged if not matches(each.sample.label, each.judgement.verdict))
    return Score(group, len(judged), missed)


def score_groups(samples: Sequence[Sample], opinion: Opinion) -> list[Score]:
    """A score a source and label, in the order of their first samples."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(f"{sample.label}: {sample.source}", []).append(sample)
    return [score(group, members, opinion) for group, members in sorted(groups.items())]
