"""Repeats are found by source and number, left out again as planned, and counted against nobody."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.batches import MAX_SPANS, cut
from ingest.clicks import Clicks
from ingest.dead_letter_budget import DeadLetterBudget
from ingest.repeats import REPEATED, find_repeats, leave_out, spans_of, unknown_sources
from ingest.sources.source import Fetched
from tests.ingest.click_events import a_click

numbered = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 30)), max_size=60)


def fetched_of(count: int) -> Fetched:
    """So many records behind position 100, one position each."""
    return Fetched("p", 100, 100 + count, [b""] * count, range(101, 101 + count), floors={})


def test_what_is_not_above_the_floor_came_before_and_what_is_far_above_lacks_some() -> None:
    clicks = [a_click(source=7, seq=seq) for seq in (4, 5, 5, 3, 9)]
    floors = {7: 4}
    assert unknown_sources(clicks, {}) == {7}
    assert find_repeats(clicks, floors) == ([REPEATED, clicks[1], REPEATED, REPEATED, clicks[4]], 3)
    assert floors == {7: 9}


@given(numbered)
def test_a_plan_leaves_out_what_was_found_wherever_batches_are_cut(numbers: list[tuple[int, int]]) -> None:
    clicks = [a_click(source=source, seq=seq) for source, seq in numbers]
    found, _ = find_repeats(clicks, {1: 5, 2: 0, 3: 10})
    fetched = fetched_of(len(clicks))
    ends = fetched.ends
    for batch in cut(fetched, found, max_rows=4):
        inside = [at for at, end in enumerate(ends) if batch.range.start < end <= batch.range.end]
        part = [clicks[at] for at in inside]
        again = leave_out(part, [ends[at] for at in inside], batch.range.left_out)
        assert [entry for entry in again if entry is not REPEATED] == list(batch.clicks)
        assert again.count(REPEATED) == batch.repeats
    assert spans_of(found, ends, 100) == spans_of(
        leave_out(clicks, ends, spans_of(found, ends, 100)), ends, 100
    )


@given(numbered)
def test_repeats_are_the_same_among_clicks_as_columns(numbers: list[tuple[int, int]]) -> None:
    clicks = [a_click(source=source, seq=seq) for source, seq in numbers]
    floors = [{1: 5, 2: 0, 3: 10} for _ in range(2)]
    found, missing = find_repeats(clicks, floors[0])
    in_columns, missing_too = find_repeats(Clicks.of(clicks), floors[1])
    assert (list(in_columns), missing_too, floors[1]) == (found, missing, floors[0])
    assert unknown_sources(Clicks.of(clicks), {2: 0}) == unknown_sources(clicks, {2: 0})


def test_a_batch_never_leaves_out_more_runs_than_a_plan_can_hold() -> None:
    entries = [REPEATED if index % 2 else a_click(seq=index + 1) for index in range(400)]
    batches = cut(fetched_of(400), entries, max_rows=1_000)
    assert [len(batch.range.left_out) for batch in batches] == [MAX_SPANS] * 3 + [200 - 3 * MAX_SPANS]
    assert sum(batch.repeats for batch in batches) == 200


def test_a_hundred_dead_letters_in_a_row_pass_and_one_more_does_not() -> None:
    assert DeadLetterBudget().spend([True] * 100) is None
    budget = DeadLetterBudget()
    assert budget.spend([False, *[True] * 60]) is None
    reason = budget.spend([True] * 41)
    assert reason == "more than 100 events in a row are no clicks"
    assert budget.spend([True] * 40) is None  # what was refused was not counted


def test_one_in_a_hundred_passes_and_more_does_not() -> None:
    budget = DeadLetterBudget()
    for _ in range(50):
        assert budget.spend([True, *[False] * 99] * 10) is None
    assert budget.spend([True, False] * 60) is not None
    assert DeadLetterBudget(max_percent=100).spend([True] * 1_000) is None
