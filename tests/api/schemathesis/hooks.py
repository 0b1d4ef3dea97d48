"""What schemathesis can't know of our fields from JSON Schema alone.

Values of some formats must be such that only a fault would refuse them; a range must be one; an idempotency
key is made anew for each request, as the document says; a cursor comes from the page before, which tests of
lists follow.
"""

import uuid
from typing import Any

import schemathesis
from hypothesis import strategies as st

LABEL = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)


def _url(host: str, path: list[str]) -> str:
    return f"https://{host}.example.com/" + "/".join(path)


def _instant(year: int, month: int, day: int, second: int) -> str:
    return f"{year:04}-{month:02}-{day:02}T12:00:{second:02}Z"


schemathesis.openapi.format("uri", st.builds(_url, LABEL, st.lists(LABEL, max_size=3)))
schemathesis.openapi.format(
    "date-time",
    st.builds(_instant, st.integers(2050, 2098), st.integers(1, 12), st.integers(1, 28), st.integers(0, 59)),
)
schemathesis.openapi.format(
    "ip-network", st.ip_addresses().map(str) | st.sampled_from(["10.0.0.0/8", "2001:db8::/32"])
)


@schemathesis.serializer("application/x-ndjson")
def serialize_lines(context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    if case.meta is not None and case.meta.generation.mode.is_negative:
        return
    if "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = f'"{uuid.uuid4()}"'
    query = case.query or {}
    query.pop("cursor", None)
    if {"from", "to"} & query.keys():
        query.update({"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"})
