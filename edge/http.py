"""The slow path: the same answers by aiohttp, for every request that the lane does not take."""

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol, cast

from aiohttp import HttpVersion10, HttpVersion11, web

from edge.answers import ANSWERS, Answer, RenderedAnswers, answer_to, dated
from edge.domains import Domains
from edge.headers import FORWARDED_FOR, join_fields, read_headers
from edge.redirector import Redirector
from edge.request import CodeRequest, parse_target
from edge.routing import Decision
from edge.track_servlet import is_tracked, tracked_url
from edge.well_known import association_file

_METHODS: Final = frozenset(("GET", "HEAD"))
_VERSIONS: Final = (HttpVersion10, HttpVersion11)


class Connection(Protocol):
    """What the slow path asks of the connection, which is the lane's handler."""

    def client_address(self, forwarded_for: bytes) -> bytes:
        """The client's address, given its `X-Forwarded-For` list."""
        ...


class _Waiting(CodeRequest):
    """A request that aiohttp has parsed."""

    def __init__(
        self,
        request: web.BaseRequest,
        target: tuple[bytes, bytes, bytes],
        values: Mapping[bytes, bytes],
        domains: Domains,
    ) -> None:
        """`values` are those of the request's headers, by lower-case name."""
        super().__init__(request.method.encode())
        self._request = request
        self.suffix, self.code, self.query = target
        self.headers = read_headers(values, domains)
        forwarded_for = values.get(FORWARDED_FOR, b"")
        self.address = cast("Connection", request.protocol).client_address(forwarded_for)
        self.decided: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()

    def is_gone(self) -> bool:
        return self._request.transport is None

    def answer(self, decision: Decision) -> None:
        if not self.decided.done():
            self.decided.set_result(decision)


class SlowPath:
    """The handler of an `aiohttp.web.Server` whose connections are `edge.lane.LaneHandler`s."""

    def __init__(self, redirector: Redirector, answers: RenderedAnswers, domains: Domains) -> None:
        self._redirector = redirector
        self._answers = answers
        self._domains = domains

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.version not in _VERSIONS:
            return self._refuse("bad_request")
        if request.method not in _METHODS:
            return self._refuse("method_not_allowed")
        values = join_fields(request.raw_headers)
        target = request.raw_path.encode("utf-8", "surrogateescape")
        if is_tracked(target):
            tracked = tracked_url(target)
            if tracked is None:
                return self._answer_without_code(values.get(b"host", b""), b"")
            values[b"host"], target = tracked
        parts = parse_target(target)
        if parts is None:
            return self._answer_without_code(values.get(b"host", b""), target)
        waiting = _Waiting(request, parts, values, self._domains)
        self._redirector.ask(waiting)
        decision = await waiting.decided
        return response(answer_to(decision), self._answers, decision.destination)

    def _answer_without_code(self, host: bytes, target: bytes) -> web.Response:
        """The domain's association file, or its refusal of what can be no code."""
        domain = self._domains.find(host)
        file = None if domain is None else association_file(domain, target)
        if file is not None:
            self._redirector.note("association_file")
            return response(file, self._answers)
        refusal = self._domains.refusal(domain)
        self._redirector.note(refusal.outcome)
        return response(answer_to(refusal), self._answers, refusal.destination)

    def _refuse(self, outcome: str) -> web.Response:
        """Refuse, and close: what follows may be a body, or meant for whom CONNECT named."""
        self._redirector.note(outcome)
        refusal = response(ANSWERS[outcome], self._answers)
        refusal.force_close()
        return refusal


def response(answer: Answer, answers: RenderedAnswers, location: bytes = b"") -> web.Response:
    """The answer as `answers` renders it, for aiohttp to send."""
    first = (("Location", location.decode("ascii")),) if location else ()
    made = web.Response(
        status=answer.status,
        reason=answer.reason,
        headers=(*first, *answer.headers, *dated(answers.second)),
        body=answer.body,
    )
    if answers.close:
        made.force_close()
    return made
