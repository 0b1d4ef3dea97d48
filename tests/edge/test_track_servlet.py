"""Branded domains that arrive as `/ump-sltrack/TrackServlet?p=…`."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.links import EdgeLink
from edge.track_servlet import is_tracked, tracked_url
from tests.edge.conftest import Edge
from tests.edge.test_own_domains import DOMAIN, put_domain, put_link

PATH = "/ump-sltrack/TrackServlet"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (b"p=https://go.example.com/abcd", (b"go.example.com", b"/abcd")),
        (b"p=HTTP://go.example.com:8443/a/abcd", (b"go.example.com:8443", b"/a/abcd")),
        (b"p=https%3A%2F%2Fgo.example.com%2Fcisco%2Fabcd", (b"go.example.com", b"/cisco/abcd")),
        (b"x=1&p=https://go.example.com/abcd&y=2", (b"go.example.com", b"/abcd")),
        (b"p=https%3A%2F%2Fgo.example.com%2Fabcd%3Fa%3D1%26b%3D2&y=2", (b"go.example.com", b"/abcd?a=1&b=2")),
        (b"p=https://go.example.com/abcd?a=1&b=2", (b"go.example.com", b"/abcd?a=1&b=2")),
        (b"p=https://go.example.com/%2561bcd", (b"go.example.com", b"/%61bcd")),  # decoded once
        (b"", None),
        (b"p=", None),
        (b"q=https://go.example.com/abcd", None),
        (b"p=ftp://go.example.com/abcd", None),
        (b"p=javascript:alert(1)", None),
        (b"p=//go.example.com/abcd", None),
        (b"p=go.example.com/abcd", None),
        (b"p=https://go.example.com", None),
        (b"p=https:///abcd", None),
        (b"p=https://go.example.com/abcd%23fragment", None),
        (b"p=%ff%00%", None),
    ],
)
def test_the_url_is_made_out(query: bytes, found: tuple[bytes, bytes] | None) -> None:
    assert tracked_url(PATH.encode() + b"?" + query) == found


@given(st.binary())
def test_any_query_has_a_url_or_none(query: bytes) -> None:
    target = PATH.encode() + b"?" + query
    assert is_tracked(target)
    found = tracked_url(target)
    assert found is None or found[1].startswith(b"/")


async def test_it_is_answered_as_if_the_branded_url_had_been_asked(edge: Edge) -> None:
    await put_domain(edge, not_found_page={"title": "Nichts", "message": "hier"})
    await put_link(edge, 1, "Spring26", suffix="cisco", forward_query=True)
    url = f"https://{DOMAIN}/cisco/Spring26?a=1"
    for parameter in (url, quote(url, safe="")):
        reply = await edge.get(f"{PATH}?p={parameter}")
        assert reply.location == "https://example.com/1?a=1"
    assert [(click["host"], click["code"]) for click in edge.clicks()] == [(DOMAIN, "Spring26")] * 2
    assert (await edge.ask("GET", f"{PATH}?p={url}", host="balancer.internal")).status == 302
    assert b"Nichts" in (await edge.get(f"{PATH}?p=https://{DOMAIN}/nothing")).body
    assert (await edge.get(f"{PATH}?p=https://{DOMAIN}/.well-known/assetlinks.json")).status == 200


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?",
        "?p=",
        "?p=https://stranger.example.com/Spring26",
        "?p=https://user@localhost/Spring26",
        "?p=https://localhost%00/Spring26",
        "?p=https://localhost/Spring26%0d%0aX:y",
        "?p=https://localhost//Spring26",
        "?p=https://localhost/%2e%2e/Spring26",
        "?p=https://[::1/Spring26",
        "?p=https%253A%252F%252Flocalhost%252FSpring26",
        "?p=https%3A%2F%2Flocalhost%2Fump-sltrack%2FTrackServlet%3Fp%3Dhttps%3A%2F%2Flocalhost%2FSpring26",
        "?p=" + "x" * 5_000,
        "?p=%ff%fe",
    ],
)
async def test_anything_odd_is_a_404(edge: Edge, query: str) -> None:
    await edge.put(1, "Spring26")
    reply = await edge.get(PATH + query)
    assert (reply.status, edge.hits()) == (404, [])


async def test_a_code_by_its_name_is_never_asked_for(edge: Edge) -> None:
    await edge.put(
        1, "TrackServlet", EdgeLink(1, "tenant", "TrackServlet", "ump-sltrack", b"https://example.com/")
    )
    assert (await edge.get(PATH)).status == 404
    assert (await edge.get("/ump-sltrack2/TrackServlet")).status == 404
