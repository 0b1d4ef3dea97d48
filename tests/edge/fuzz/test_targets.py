"""Every input that ever failed, the seeds, and what hypothesis comes up with; `make fuzz` finds more."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.edge.fuzz.targets import SEEDS, TARGETS
from tests.edge.streams import fields, requests, targets

REGRESSIONS = sorted((Path(__file__).parents[1] / "regressions").glob("*-*"))
INPUTS = st.one_of(
    st.binary(max_size=200), requests(), targets, st.lists(fields, max_size=4).map(b"\r\n".join)
)


def test_what_once_failed_holds() -> None:
    for path in REGRESSIONS:
        TARGETS[path.name.partition("-")[0]](path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_hold(name: str) -> None:
    for seed in SEEDS[name]:
        TARGETS[name](seed)


@settings(max_examples=300, deadline=None)
@given(INPUTS)
@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_hold(name: str, data: bytes) -> None:
    TARGETS[name](data)
