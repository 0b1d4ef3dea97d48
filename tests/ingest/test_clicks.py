"""Clicks as columns are the clicks that they were made of."""

from dataclasses import fields

import msgspec

from ingest.clicks import Clicks
from ingest.decode import Click
from tests.ingest.click_events import ORPHAN, a_click

CLICKS = [a_click(), a_click(seq=2, source=8, personal=True, ua="x"), a_click(seq=3, **ORPHAN)]


def test_columns_have_the_names_and_the_order_of_a_click_s_fields() -> None:
    assert [field.name for field in fields(Clicks)] == [field.name for field in msgspec.structs.fields(Click)]


def test_columns_are_a_sequence_of_clicks() -> None:
    clicks = Clicks.of(CLICKS)
    assert len(clicks) == 3
    assert list(clicks) == CLICKS
    assert [clicks[0], clicks[-1]] == [CLICKS[0], CLICKS[-1]]
    assert list(clicks[1:]) == CLICKS[1:]
    assert clicks == CLICKS
    assert clicks != CLICKS[:2]
    assert Clicks.of(clicks) is clicks
    assert list(Clicks.of([])) == []


def test_clicks_are_joined_one_behind_the_other() -> None:
    joined = Clicks.joined([Clicks.of(CLICKS), Clicks.of(CLICKS[:1]), Clicks.of(CLICKS[1:])])
    assert list(joined) == [*CLICKS, *CLICKS]
    for column in (joined.source, joined.tenant, joined.route):
        assert len(set(column.values)) == len(column.values)
    assert len(set(map(id, joined.headers.values))) == len(joined.headers.values) == 3


def test_clicks_have_python_s_own_values() -> None:
    for click in Clicks.of(CLICKS):
        assert [type(click.source), type(click.seq), type(click.link)] == [int] * 3
        assert type(click.personal) is bool
