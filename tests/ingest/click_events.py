"""Click events as the edge writes them, and as ingest knows them."""

from typing import Any, Final

import orjson

from ingest.decode import Click, decode

IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.4 Mobile/15E148 Safari/604.1"
)
NOON_MS = 1_790_000_000_000  # 2026-09-21


def click_event(**fields: Any) -> dict[str, Any]:
    """A whole, good event, some of its fields changed."""
    return {
        "v": 1,
        "source": 7,
        "seq": 1,
        "ts": NOON_MS,
        "host": "s.example.com",
        "code": "Penhgy12",
        "link": 17,
        "tenant": "main",
        "personal": False,
        "method": "GET",
        "route": "ios",
        "outcome": "redirected",
        "ip": "198.51.100.7",
        "ua": IPHONE,
        "referer": "",
        "language": "en-US",
        "signals": {},
        **fields,
    }


ORPHAN: Final = {"link": 0, "tenant": "", "route": "none", "outcome": "not_found"}


def click_json(**fields: Any) -> bytes:
    return orjson.dumps(click_event(**fields))


def a_click(**fields: Any) -> Click:
    return decode(click_json(**fields))
