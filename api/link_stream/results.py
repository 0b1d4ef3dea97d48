"""What is answered on `smartlinks.links.results.v1`: one result a command, or several parts of one.

    {"id", "tenant", "type", "status": "done", "link": {...}}
    {"id", "tenant", "type", "status": "done", "link_id", "codes": [{"recipient", "reference", "code",
      "short_url"}], "part": 1, "parts": 1}
    {"id", "tenant", "type", "status": "refused", "problem": {"type", "title", "status", "detail", ...}}

A result may come more than once, the same each time: whoever reads them goes by `id` and `part`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from api.errors import problem_of
from api.models import Link
from api.recipient_forms import Pair
from api.urls import short_url
from ingest.contract import LinkDocument

CODES_A_RESULT: Final = 1_000
"""So that a result stays below the 1 MB that a topic takes, however long the recipients are."""


def of_link(command: Mapping[str, Any], link: LinkDocument, now_ms: int) -> bytes:
    """The link as it is now. Its counts of the last 30 days are left out: nobody waits for them here."""
    shown = Link.of(link, sent=0, clicks=0, now_ms=now_ms).model_dump_json(
        exclude={"links_sent_30d", "clicks_30d"}
    )
    return orjson.dumps(_done(command) | {"link": orjson.Fragment(shown)})


def of_deletion(command: Mapping[str, Any], link_id: str) -> bytes:
    return orjson.dumps(_done(command) | {"link_id": link_id})


def of_codes(
    command: Mapping[str, Any], link: LinkDocument, pairs: Sequence[Pair], codes: Sequence[str]
) -> list[bytes]:
    """The codes in the order of the recipients."""
    prefix = short_url(link.domain, link.suffix, "")
    minted = [
        {"recipient": recipient, "reference": reference, "code": code, "short_url": prefix + code}
        for (recipient, reference), code in zip(pairs, codes, strict=True)
    ]
    starts = range(0, len(minted), CODES_A_RESULT)
    head = _done(command) | {"link_id": link.id, "parts": len(starts)}
    return [
        orjson.dumps(head | {"codes": minted[start : start + CODES_A_RESULT], "part": part})
        for part, start in enumerate(starts, start=1)
    ]


def of_refusal(command: Mapping[str, Any], error: Exception) -> bytes:
    problem = problem_of(error).to_dict()
    return orjson.dumps(_head(command) | {"status": "refused", "problem": problem})


def _done(command: Mapping[str, Any]) -> dict[str, Any]:
    return _head(command) | {"status": "done"}


def _head(command: Mapping[str, Any]) -> dict[str, Any]:
    return {name: command[name] for name in ("id", "tenant", "type")}
