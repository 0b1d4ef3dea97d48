"""When a delivery is tried again, and when no more."""

import random
from datetime import UTC, datetime

import pytest

from aggregator.webhooks.attempt import Answer, holds_for_s, standing_after
from aggregator.webhooks.schedule import ATTEMPTS, JITTER, PAUSES_S, pause_after_ms, read_retry_after

NOW = datetime(2025, 6, 15, 12, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


def test_pauses_are_those_of_the_scheme_with_jitter() -> None:
    draw = random.Random(1)
    for attempts, pause_s in enumerate(PAUSES_S, start=1):
        pauses = [pause_after_ms(attempts, None, draw) for _ in range(100)]
        assert all(
            pause is not None and pause_s * 1000 <= pause <= pause_s * 1000 * (1 + JITTER) for pause in pauses
        )
        assert len(set(pauses)) > 50
    assert pause_after_ms(ATTEMPTS, None, draw) is None
    assert 3 * 24 * 3600 < sum(PAUSES_S) < 4 * 24 * 3600


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Sun, 15 Jun 2025 12:01:30 GMT", 90.0),
        ("Sun, 15 Jun 2025 11:00:00 GMT", 0.0),
        ("99999999999999", 24 * 3600.0),
        ("soon", None),
        ("-5", None),
        ("\u0665", None),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str | None, seconds: float | None) -> None:
    assert read_retry_after(value, NOW) == seconds


def test_what_the_receiver_asked_for_is_the_least() -> None:
    pause_ms = pause_after_ms(1, 600.0, random.Random(1))
    assert pause_ms == 600_000


@pytest.mark.parametrize(
    ("answer", "attempts", "state"),
    [
        (Answer(200), 1, "delivered"),
        (Answer(204), 3, "delivered"),
        (Answer(301), 1, "pending"),
        (Answer(404), 1, "pending"),
        (Answer(410), 1, "given_up"),
        (Answer(500), ATTEMPTS - 1, "pending"),
        (Answer(500), ATTEMPTS, "given_up"),
        (Answer(0, "no answer"), 1, "pending"),
        (Answer(0, "10.0.0.1 is not a public address", refused=True), 1, "given_up"),
    ],
)
def test_what_follows_from_an_answer(answer: Answer, attempts: int, state: str) -> None:
    standing = standing_after(attempts, answer, NOW_MS, random.Random(1))
    assert (standing.state, standing.attempts, standing.attempted_at_ms) == (state, attempts, NOW_MS)
    assert (standing.due_at_ms > NOW_MS) == (state == "pending")


def test_only_an_overloaded_receiver_holds_up_the_rest() -> None:
    assert holds_for_s(Answer(429, retry_after_s=30.0)) == 30.0
    assert holds_for_s(Answer(503, retry_after_s=30.0)) == 30.0
    assert holds_for_s(Answer(500, retry_after_s=30.0)) == 0.0
    assert holds_for_s(Answer(429)) == 0.0
