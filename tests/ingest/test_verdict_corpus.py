"""Verdicts on the labelled corpus: what is promised of them, on the half that rules are not written from."""

import pytest

from ingest.enrich.rules import RULES
from ingest.enrich.verdict import Judge, Judgement
from tests.ingest.corpus.labelled import HELD_OUT, Label, Sample, load_corpus
from tests.ingest.corpus.score import Score, is_exact, score

judge = Judge()
own_judge = Judge(tuple(rule for rule in RULES if not rule.name.startswith("list")))


@pytest.fixture(scope="module")
def corpus() -> list[Sample]:
    return load_corpus()


def judge_agent(user_agent: str) -> Judgement:
    return judge("GET", user_agent, {})


def judge_agent_by_own_rules(user_agent: str) -> Judgement:
    return own_judge("GET", user_agent, {})


def held_out(corpus: list[Sample], *labels: Label) -> list[Sample]:
    return [sample for sample in corpus if sample.half == HELD_OUT and sample.label in labels]


def misses(scored: Score) -> list[str]:
    return [f"{miss.judgement.rule} | {miss.sample.user_agent}" for miss in scored.missed]


def test_the_corpus_is_as_large_as_its_figures_need(corpus: list[Sample]) -> None:
    assert sum(sample.label != "human" for sample in corpus) >= 1_500
    assert sum(sample.label == "human" for sample in corpus) >= 5_000
    assert all(sample.source for sample in corpus)
    assert 0.48 < sum(sample.half == HELD_OUT for sample in corpus) / len(corpus) < 0.52


def test_of_robots_and_previews_99_in_100_are_caught(corpus: list[Sample]) -> None:
    for labels in (("preview",), ("automated",), ("robot",)):
        scored = score("robots", held_out(corpus, *labels), judge_agent)
        assert scored.right >= 0.99, misses(scored)


def test_of_robots_that_no_list_names_97_in_100_are_caught(corpus: list[Sample]) -> None:
    robots = held_out(corpus, "preview", "automated", "robot")
    scored = score("robots", robots, judge_agent_by_own_rules)
    assert scored.right >= 0.97, misses(scored)


def test_previews_are_told_from_machines(corpus: list[Sample]) -> None:
    scored = score("previews", held_out(corpus, "preview"), judge_agent, is_exact)
    assert scored.right >= 0.99, misses(scored)


def test_of_people_at_most_one_in_1000_is_taken_for_a_robot(corpus: list[Sample]) -> None:
    scored = score("people", held_out(corpus, "human"), judge_agent)
    assert scored.right >= 0.999, misses(scored)
