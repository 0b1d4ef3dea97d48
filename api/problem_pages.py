"""The pages that the `type` of a problem leads to: what it means, and what to do."""

import html
from typing import Final

from starlette.responses import HTMLResponse

from api.problems import PROBLEM_TYPES, ProblemType

_ADVICE: Final = {
    "malformed-request": (
        "The request is not HTTP as it should be. Look at what stands between you and this server."
    ),
    "idempotency-key-invalid": (
        "Send one quoted string of up to 255 characters, a new one for each request. Streams of lines"
        " take none: send them again as they are."
    ),
    "malformed-body": (
        "The body is not JSON, or a line of it is not a whole JSON object or row of CSV, in UTF-8. The detail"
        " names the place where it breaks."
    ),
    "unauthorized": (
        "Send a service key as Authorization: Bearer &lt;key&gt; or Key: &lt;key&gt;, or a token of your"
        " identity provider as Authorization: Bearer &lt;token&gt;. Keys are made at /v1/keys, and expire"
        " or are revoked."
    ),
    "forbidden": (
        "The key or role may not make this call. The detail names the scopes of which one is needed."
    ),
    "address-not-allowed": (
        "The key has a list of addresses it works from, and the request came from another one."
    ),
    "tenant-suspended": "Whoever runs this system has suspended the account. Its short URLs still redirect.",
    "not-found": "There is no such thing, or it is not yours: both are answered alike.",
    "method-not-allowed": "The Allow header lists the methods that this path takes.",
    "request-timeout": (
        "The body paused for a minute. Send the request again, in smaller parts over slow lines."
    ),
    "idempotency-key-in-use": (
        "The first request with this key is not answered yet. Wait as Retry-After says."
    ),
    "changed-meanwhile": (
        "Two changes came at the same moment, and the other was first. Read it again, then change."
    ),
    "precondition-failed": (
        "If-Match named a version that is not the present one. Read it again, then change."
    ),
    "body-too-large": (
        "The detail names the limit. Send several requests, or a stream of lines where there is one."
    ),
    "unsupported-media-type": "The Accept header of the answer lists the content types that are taken.",
    "invalid-body": "The errors list what does not fit, each with a JSON pointer into the body.",
    "invalid-parameters": "The errors list which query or path parameters do not fit, and why.",
    "idempotency-key-reused": (
        "The key came with another request in the last 24 hours. Make a new one each time."
    ),
    "quota-exceeded": (
        "Wait as Retry-After says. RateLimit and RateLimit-Policy tell what is left of your quota."
    ),
    "head-too-large": "Send fewer or shorter headers. A key or token takes some hundred bytes.",
    "internal": "This is a fault of ours. Tell whoever runs this system the request_id.",
    "unavailable": "Something behind this server is down or starting. Try again as Retry-After says.",
    "too-slow": (
        "The work went on after the answer was given up. Look whether it is done before you try again."
    ),
}
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body {{ font: 1rem/1.5 system-ui; max-width: 40rem; margin: 3rem auto; padding: 0 1rem }}</style>
<h1>{title}</h1>
<p>Status {status}, type <code>{uri}</code></p>
<p>{advice}</p>
<p><a href="/problems">All kinds of problems</a></p>
</html>
"""


def problem_page(type_: ProblemType) -> HTMLResponse:
    return _page(type_.title, f"{type_.status}", type_.uri, _advice(type_))


def problem_list_page() -> HTMLResponse:
    """A page that lists every kind of problem."""
    items = "".join(
        f'<li><a href="{type_.uri}">{html.escape(type_.title)}</a> ({type_.status})</li>'
        for type_ in PROBLEM_TYPES
    )
    return _page("Problems", "4xx and 5xx", "/problems", f"<ul>{items}</ul>")


def _advice(type_: ProblemType) -> str:
    return _ADVICE.get(type_.name, "The detail of the problem says what is wrong and what to do.")


def _page(title: str, status: str, uri: str, advice: str) -> HTMLResponse:
    page = _PAGE.format(title=html.escape(title), status=status, uri=uri, advice=advice)
    return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})
