"""Counts what the demo sent, by its own labels, and holds it against what a report says, number by number."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from deploy.demo.campaign import Click, LinkPlan

Numbers = dict[tuple[str, str, str], int]
"""(what: totals, day or a dimension; its key; the count's name) to the number. Zeros are left out."""

DIMENSIONS: Final = ("country", "os", "verdict", "route")


@dataclass(frozen=True, slots=True)
class Difference:
    """A number that is not the same on both sides."""

    what: str
    key: str
    count: str
    expected: int
    reported: int


def expect(plans: Sequence[LinkPlan], clicks: Iterable[Click]) -> Numbers:
    """The numbers of a report on these clicks, days in UTC."""
    groups: defaultdict[tuple[str, str], list[Click]] = defaultdict(list)
    for click in clicks:
        groups["totals", ""].append(click)
        groups["day", datetime.fromtimestamp(click.at_ms / 1000, UTC).date().isoformat()].append(click)
        for dimension, key_of in _keys(plans).items():
            groups[dimension, key_of(click)].append(click)
    numbers: Numbers = {}
    for (what, key), members in groups.items():
        counts = _counts(members)
        if what in DIMENSIONS:
            counts = {"clicks": counts["total_clicks"], "unique": counts["unique_clicks"]}
        numbers |= {(what, key, name): count for name, count in counts.items() if count}
    return numbers


def read(report: Mapping[str, Any]) -> Numbers:
    """The numbers of an answer of `GET …/stats` with `interval=day`."""
    numbers: Numbers = {("totals", "", name): count for name, count in report["totals"].items()}
    for bucket in report["series"]:
        day = bucket["start"][:10]
        numbers |= {("day", day, name): count for name, count in bucket.items() if name != "start"}
    for dimension, rows in report["breakdowns"].items():
        for row in rows:
            numbers |= {(dimension, row["key"], name): count for name, count in row.items() if name != "key"}
    return {name: count for name, count in numbers.items() if count}


def additive(numbers: Numbers) -> Numbers:
    """Without the counts of people, who may be the same on several links."""
    return {name: count for name, count in numbers.items() if not name[2].startswith(("unique", "repeat"))}


def subtract(after: Numbers, before: Numbers) -> Numbers:
    """What came to a report in between."""
    return {name: count for name in after if (count := after[name] - before.get(name, 0))}


def compare(expected: Numbers, reported: Numbers) -> list[Difference]:
    return [
        Difference(*name, expected.get(name, 0), reported.get(name, 0))
        for name in sorted(expected.keys() | reported.keys())
        if expected.get(name, 0) != reported.get(name, 0)
    ]


def _keys(plans: Sequence[LinkPlan]) -> dict[str, Callable[[Click], str]]:
    return {
        "country": lambda click: click.place.country,
        "os": lambda click: click.agent.os,
        "verdict": lambda click: click.verdict,
        "route": lambda click: click.route(plans[click.link]),
    }


def _counts(clicks: Sequence[Click]) -> dict[str, int]:
    verdicts = Counter(click.verdict for click in clicks)
    people = len({(click.link, click.visitor) for click in clicks if click.verdict == "human"})
    return {
        "total_clicks": len(clicks),
        "human_clicks": verdicts["human"],
        "unique_clicks": people,
        "repeat_clicks": verdicts["human"] - people,
        "bot_clicks": len(clicks) - verdicts["human"],
        "preview_clicks": verdicts["preview"],
        "automated_clicks": verdicts["automated"],
    }
