"""`make verdicts`: measure the rules on the labelled corpus, and write `docs/verdicts.md`.

The misses of the half that rules are written from are listed; of the other half only the figures, so that it
stays unseen. `--held-out` lists those as well: for judging an argument about a figure, not for writing rules.
"""

import argparse
import sys
from pathlib import Path
from typing import Final

from ingest.enrich.rules import RULES, RULES_VERSION
from ingest.enrich.verdict import Judge
from tests.ingest.corpus.cpu import measure_cpu
from tests.ingest.corpus.exclusions import NOT_PEOPLE, NOT_ROBOTS
from tests.ingest.corpus.labelled import HELD_OUT, WRITTEN_FROM, Sample, load_corpus
from tests.ingest.corpus.others import ask_others, versions
from tests.ingest.corpus.score import Opinion, Score, is_exact, score, score_groups

DOCUMENT: Final = Path(__file__).parents[3] / "docs" / "verdicts.md"
_TWO_LISTS: Final = """
Two of the lists are among the rules: crawler-user-agents and CrawlerDetect's. They know the user agents they
come with, so the last column tells what the rules make of robots that no list names."""
_NONE_TELLS: Final = """
None of the others tells a preview from a robot. crawler-user-agents and CrawlerDetect meet their own
instances here."""
OWN_RULES: Final = tuple(rule for rule in RULES if not rule.name.startswith("list"))


def opinion_of(judge: Judge) -> Opinion:
    return lambda user_agent: judge("GET", user_agent, {})


def main() -> None:
    arguments = argparse.ArgumentParser(prog="make verdicts", description=__doc__)
    arguments.add_argument("--held-out", action="store_true", help="list the misses of the held-out half too")
    chosen = arguments.parse_args()
    samples = load_corpus()
    seen = [sample for sample in samples if sample.half == WRITTEN_FROM]
    held_out = [sample for sample in samples if sample.half == HELD_OUT]
    opinion = opinion_of(Judge())
    for miss in _misses(score_groups(seen, opinion)):
        _say(miss)
    if chosen.held_out:
        _say("\nHeld out:")
        for miss in _misses(score_groups(held_out, opinion)):
            _say(miss)
    document = "\n\n".join(
        (
            _introduction(samples, held_out),
            _recall_table(held_out, opinion),
            _comparison(held_out, opinion),
            _exclusions(),
        )
    )
    DOCUMENT.write_text(document + "\n", "utf-8")
    _say(f"\n{document}\n\nWritten to {DOCUMENT.name}.\n")
    for line in measure_cpu():
        _say(line)


def _introduction(samples: list[Sample], held_out: list[Sample]) -> str:
    return "\n".join(
        (
            "# How verdicts compare\n",
            "Written by `make verdicts`; don't edit. The labels: `tests/ingest/corpus/labelled.py`.\n",
            f"The corpus has {len(samples):,} user agents. Each belongs to one half by its hash; rules are",
            "written with an eye on the misses of one half, and these are the figures of the other:",
            f"{len(held_out):,} user agents. Rules version {RULES_VERSION}.",
        )
    )


def _recall_table(held_out: list[Sample], opinion: Opinion) -> str:
    own = opinion_of(Judge((*OWN_RULES,)))
    previews = [sample for sample in held_out if sample.label == "preview"]
    exact = score("previews", previews, opinion, is_exact)
    lines = [
        "| label and source | user agents | judged right | by our own rules alone |",
        "| --- | ---: | ---: | ---: |",
    ]
    for all_rules, own_rules in zip(
        score_groups(held_out, opinion), score_groups(held_out, own), strict=True
    ):
        lines.append(
            f"| {all_rules.group} | {all_rules.total:,} | {all_rules.right:.2%} | {own_rules.right:.2%} |"
        )
    lines.append(f"| preview, and told from machines | {exact.total:,} | {exact.right:.2%} | |")
    return "\n".join(("## Judged right, by source\n", *lines, _TWO_LISTS))


def _comparison(held_out: list[Sample], opinion: Opinion) -> str:
    user_agents = [sample.user_agent for sample in held_out]
    opinions = {
        "Smart Links": [opinion(each).verdict != "human" for each in user_agents],
        **ask_others(user_agents),
    }
    of_version = {"Smart Links": f"rules version {RULES_VERSION}", **versions()}
    robots = [index for index, sample in enumerate(held_out) if sample.label != "human"]
    previews = [index for index, sample in enumerate(held_out) if sample.label == "preview"]
    people = [index for index, sample in enumerate(held_out) if sample.label == "human"]
    lines = [
        "## Beside other detectors\n",
        f"The same user agents: {len(robots):,} of robots and previews, {len(people):,} of people.\n",
        "| detector | version | robots and previews caught | previews | people taken for robots | in 1,000 |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for name, robot in opinions.items():
        wrong = sum(robot[index] for index in people)
        lines.append(
            f"| {name} | {of_version[name]} | {_share(robot, robots)} | {_share(robot, previews)} "
            f"| {wrong:,} | {1000 * wrong / len(people):.2f} |"
        )
    lines.append(_NONE_TELLS)
    return "\n".join(lines)


def _share(opinions: list[bool], indexes: list[int]) -> str:
    return f"{sum(opinions[index] for index in indexes) / len(indexes):.2%}"


def _exclusions() -> str:
    lines = [
        "## Left out of the corpus\n",
        "| source | user agents that match | why |",
        "| --- | --- | --- |",
    ]
    for source, exclusions in (("people", NOT_PEOPLE), ("robots", NOT_ROBOTS)):
        lines += [f"| {source} | `{each.pattern.pattern}` | {each.reason} |" for each in exclusions]
    return "\n".join(lines)


def _misses(scores: list[Score]) -> list[str]:
    lines = []
    for each in scores:
        lines.append(f"{each.group}: {len(each.missed)} of {each.total:,} wrong")
        lines += [f"    {miss.judgement.rule} | {miss.sample.user_agent[:200]}" for miss in each.missed]
    return lines


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
