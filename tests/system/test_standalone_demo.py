"""The demo: its own count is independent and sharp, and against a running system every number agrees."""

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from deploy.demo import tally
from deploy.demo.agents import Agent, label
from deploy.demo.campaign import DAY_MS, Click, LinkPlan
from deploy.demo.places import Place, Places
from deploy.standalone import city_database
from tests.fixtures.system import ROOT, System

END_MS = 1_790_000_000_000
PHONE = Agent("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X)", "iOS", "ios", "human")
ROBOT = Agent("curl/8.5.0", "Other", "default", "automated")
HOME = Place("192.0.2.7", "CH", 1.0)
PLANS = (
    LinkPlan(
        {"destination_url": "https://shop.example.com", "device_routes": {"ios": "https://a.example.com"}}
    ),
)


def clicks() -> Sequence[Click]:
    """Two taps of recipient 0, one of 1, a robot's, a HEAD, a prefetch."""
    tap = Click(END_MS, 0, 0, HOME, PHONE)
    return (
        tap,
        replace(tap, at_ms=END_MS + DAY_MS),
        replace(tap, recipient=1),
        replace(tap, agent=ROBOT),
        replace(tap, method="HEAD"),
        replace(tap, headers={"Sec-Purpose": "prefetch"}),
    )


def test_counts_by_its_own_labels() -> None:
    numbers = tally.expect(PLANS, clicks())
    totals = {name[2]: count for name, count in numbers.items() if name[0] == "totals"}
    assert totals == {
        "total_clicks": 6,
        "human_clicks": 3,
        "unique_clicks": 2,
        "repeat_clicks": 1,
        "bot_clicks": 3,
        "preview_clicks": 1,
        "automated_clicks": 2,
    }
    day = datetime.fromtimestamp(END_MS / 1000, UTC).date().isoformat()
    assert numbers["day", day, "total_clicks"] == 5
    assert numbers["day", day, "unique_clicks"] == 2
    assert numbers["country", "CH", "clicks"] == 6
    assert numbers["os", "iOS", "clicks"] == 5
    assert numbers["route", "ios", "clicks"] == 5
    assert numbers["route", "default", "clicks"] == 1
    assert numbers["verdict", "human", "unique"] == 2


def test_finds_every_number_that_differs() -> None:
    expected = tally.expect(PLANS, clicks())
    assert tally.compare(expected, expected) == []
    one_less = tally.expect(PLANS, clicks()[1:])
    found = {
        (each.what, each.count): (each.expected, each.reported) for each in tally.compare(expected, one_less)
    }
    assert found["totals", "total_clicks"] == (6, 5)
    assert found["country", "clicks"] == (6, 5)
    assert ("totals", "bot_clicks") not in found


def test_reads_a_report_as_it_counts() -> None:
    counts = {"total_clicks": 2, "human_clicks": 2, "unique_clicks": 1, "repeat_clicks": 1, "bot_clicks": 0}
    report = {
        "totals": counts,
        "series": [{"start": "2026-09-21T00:00:00+00:00", **counts}],
        "breakdowns": {"os": [{"key": "iOS", "clicks": 2, "unique": 1}]},
    }
    assert tally.read(report) == {
        **{("totals", "", name): count for name, count in counts.items() if count},
        **{("day", "2026-09-21", name): count for name, count in counts.items() if count},
        ("os", "iOS", "clicks"): 2,
        ("os", "iOS", "unique"): 1,
    }


@pytest.mark.parametrize(
    ("platform", "user_agent", "os"),
    [
        ("iPhone", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Safari/604.1", "iOS"),
        ("MacIntel", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605.1.15", "Mac OS X"),
        ("Linux armv81", "Mozilla/5.0 (Linux; Android 10; K) Chrome/154.0.0.0 Mobile", "Android"),
        ("Linux x86_64", "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) Chrome/152.0.0.0", "Chrome OS"),
        ("Linux x86_64", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X)", None),
        ("Win32", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", None),
        ("MacIntel", "Mozilla/5.0 (Macintosh; compatible; Googlebot/2.1)", None),
    ],
)
def test_labels_by_the_platform_and_leaves_out_who_contradicts_it(
    platform: str, user_agent: str, os: str | None
) -> None:
    agent = label({"platform": platform, "userAgent": user_agent})
    assert (agent and agent.os) == os


def test_draws_addresses_of_both_families_from_all_over_the_database() -> None:
    places, chance = Places(city_database.FOLDER), random.Random(7)
    drawn = [places.draw(chance) for _ in range(1_000)]
    families = Counter(":" in place.address for place in drawn)
    assert families[True] > 200
    assert families[False] > 500
    assert len({place.country for place in drawn}) > 60
    assert len({place.address for place in drawn}) > 990


@pytest.mark.drill
@pytest.mark.timeout(600)
def test_every_number_agrees_twice(new_system: Callable[..., System]) -> None:
    system = new_system()
    system.start()
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "deploy.demo"],
            cwd=ROOT,
            env={**system.environment(), "COLUMNS": "150"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert "numbers of the reports are those of the demo" in done.stdout, done.stdout + done.stderr
        assert "From redirect to report" in done.stdout  # all of them; how soon depends on the machine
        assert done.returncode == (0 if "in time." in done.stdout else 1)


def test_says_in_one_line_that_nothing_runs(new_system: Callable[..., System]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.demo"],
        cwd=ROOT,
        env=new_system().environment(),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "make run" in line
