"""What schemathesis can't know of our fields from JSON Schema alone.

Values of some formats must be such that only a fault would refuse them; a range must be one; an idempotency
key is made anew for each request, as the document says; a cursor comes from the page before, which tests of
lists follow. What fits and is refused for what there is at that moment is in `exceptions.py`.
"""

import uuid
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.parameters import ParameterLocation

from tests.api.schemathesis.exceptions import VERDICTS, is_exception

LABEL = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12).filter(str.isalnum)
STREAMS = ("application/x-ndjson", "text/csv")


def _url(host: str, path: list[str]) -> str:
    return f"https://{host}.example.com/" + "/".join(path)


def _instant(year: int, month: int, day: int, second: int) -> str:
    return f"{year:04}-{month:02}-{day:02}T12:00:{second:02}Z"


schemathesis.openapi.format("uri", st.builds(_url, LABEL, st.lists(LABEL, max_size=3)))
schemathesis.openapi.format(
    "date-time",
    st.builds(_instant, st.integers(2050, 2098), st.integers(1, 12), st.integers(1, 28), st.integers(0, 59)),
)
schemathesis.openapi.format("ip-address", st.ip_addresses().map(str))
schemathesis.openapi.format(
    "ip-network", st.ip_addresses().map(str) | st.sampled_from(["10.0.0.0/8", "2001:db8::/32"])
)
schemathesis.openapi.format("host", LABEL.map(lambda label: f"{label}.example.com"))
schemathesis.openapi.format("time-zone", st.sampled_from(["UTC", "Europe/London", "Asia/Kolkata"]))


@schemathesis.serializer(*STREAMS)
def serialize_lines(context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    if case.meta is not None and case.meta.generation.mode.is_negative:
        return
    if case.media_type in STREAMS:  # the document says in words that streams of lines take no key
        case.headers.pop("Idempotency-Key", None)
    if "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = f'"{uuid.uuid4()}"'
    query = case.query or {}
    query.pop("cursor", None)
    if {"from", "to"} & query.keys():
        query.update({"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"})
        query.pop("range", None)  # the document says in words: either a range by name, or from and to
    if case.path.endswith(("/clicks", "/stats")):  # and one of campaign, tag and domain
        for name in [name for name in ("campaign", "tag", "domain") if name in query][1:]:
            del query[name]


@schemathesis.check
def refuses_what_fits_only_for_what_there_is(ctx: Any, response: Any, case: Any) -> None:
    """Takes over from `positive_data_acceptance` for the statuses that the configuration lets pass there."""
    is_positive = case.meta is not None and case.meta.generation.mode.is_positive
    if is_positive and response.status_code in {400, 412, 422}:
        assert is_exception(case.operation.label, response.status_code, response.json()), response.text


@schemathesis.check
def tells_in_the_answer_what_does_not_fit(ctx: Any, response: Any, case: Any) -> None:
    """Takes over from `negative_data_rejection` where one of many may be refused and the others taken."""
    is_negative = case.meta is not None and case.meta.is_negative_at(ParameterLocation.BODY)
    verdicts = VERDICTS.get(case.operation.label)
    if is_negative and verdicts is not None and response.status_code < 300:
        assert verdicts(response.json()), response.text
