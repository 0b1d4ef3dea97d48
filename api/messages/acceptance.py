"""Takes a request: drafts, short URLs, messages stored before the answer, then queued for the gateway."""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from api.domains import Domains
from api.events import Clock
from api.messages.destinations import Destination
from api.messages.drafts import Draft, Notice, Wording, draft, shorten
from api.messages.expiry import read_expiry
from api.messages.message import Message, ShortenedUrl, new_message_id
from api.messages.models import NewMessages
from api.messages.queue import MessageQueue
from api.messages.shortening import Addressed, Shortening, read_domain
from api.messages.store import MessageStore
from api.messages.templates import TemplateDocument, Templates
from api.problems import INVALID_BODY, MAX_ERRORS, UNAVAILABLE, Flaw, ProblemError, invalid_body, pointer_to
from edge.contract import LinkStoreUnavailableError
from ingest.contract import OutboxUnavailableError, WarehouseUnavailableError

_DOWN: Final = (LinkStoreUnavailableError, WarehouseUnavailableError, OutboxUnavailableError)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one destination: its message, or what is wrong with it."""

    destination: Destination
    message: Message | None = None
    notices: Sequence[Notice] = ()
    flaw: Flaw | None = None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The answer to a request: a verdict a destination, in order."""

    accepted_at_ms: int
    verdicts: Sequence[Verdict]
    notices: Sequence[Notice]


class Acceptor:
    """Accepts messages of all tenants. Owns nothing of what it is given."""

    def __init__(
        self,
        *,
        domains: Domains,
        shortening: Shortening,
        templates: Templates,
        store: MessageStore,
        queue: MessageQueue,
        clock: Clock,
    ) -> None:
        self._domains = domains
        self._shortening = shortening
        self._templates = templates
        self._store = store
        self._queue = queue
        self._clock = clock

    async def accept(self, tenant: str, body: NewMessages, destinations: Sequence[Destination]) -> Acceptance:
        """Store and queue a message for each destination that fits.

        Raises a 422 where the body doesn't fit or no destination does, a 503 where what is needed is down.
        """
        now_ms = self._clock()
        expires_at_ms = _read_expiry(body, now_ms)
        template = await self._template(tenant, body)
        notices = _unknown_fields(body)
        own_domains: Collection[str] | None = None
        if body.shorten_urls or body.track_link:
            try:
                own_domains = [domain.host for domain in await self._domains.list_open(tenant)]
            except _DOWN as error:
                notices.append(_send_long(body, error))
        wording = _wording(body, template, own_domains)
        drafts = [draft(wording, destination) for destination in destinations]
        flaws = [one for one in drafts if isinstance(one, Flaw)]
        if len(flaws) == len(drafts):
            raise ProblemError(INVALID_BODY, flaws[0].detail, flaws[:MAX_ERRORS])
        addressed = {
            place: Addressed(new_message_id(now_ms), one)
            for place, one in enumerate(drafts)
            if isinstance(one, Draft)
        }
        urls: Mapping[str, Sequence[ShortenedUrl]] = {}
        domain = read_domain(body.short_url_domain)
        try:
            urls = await self._shortening.shorten(tenant, domain, list(addressed.values()))
        except (*_DOWN, ProblemError) as error:
            notices.append(_send_long(body, error))
        finals = {
            place: shorten(one.draft, _replacements(urls.get(one.id, ()), body))
            for place, one in addressed.items()
        }
        messages = {
            place: self._message(tenant, body, template, one, finals[place], urls, expires_at_ms, now_ms)
            for place, one in addressed.items()
        }
        await asyncio.to_thread(self._store.add, list(messages.values()))
        self._queue.put(tenant, [message.id for message in messages.values()])
        verdicts = [
            Verdict(destination, flaw=one)
            if isinstance(one, Flaw)
            else Verdict(destination, messages[place], finals[place].notices)
            for place, (destination, one) in enumerate(zip(destinations, drafts, strict=True))
        ]
        return Acceptance(now_ms, verdicts, notices)

    async def _template(self, tenant: str, body: NewMessages) -> TemplateDocument | None:
        if body.content_type != "template":
            return None
        try:
            return await self._templates.read(tenant, body.content)
        except ProblemError:
            detail = "There is no template with this id; GET /v1/sms/templates lists those there are"
            raise invalid_body(Flaw(detail, pointer_to("content"))) from None

    def _message(
        self,
        tenant: str,
        body: NewMessages,
        template: TemplateDocument | None,
        addressed: Addressed,
        final: Draft,
        urls: Mapping[str, Sequence[ShortenedUrl]],
        expires_at_ms: int,
        now_ms: int,
    ) -> Message:
        destination = addressed.draft.destination
        return Message(
            tenant=tenant,
            id=addressed.id,
            owner=self._queue.owner,
            sender=body.sender,
            recipient=destination.recipient,
            correlation_id=destination.correlation_id or body.correlation_id or "",
            content=final.text,
            content_type=final.content_type,
            encoding=final.encoding,
            segments=final.segments,
            segments_before=addressed.draft.segments,
            urls=tuple(urls.get(addressed.id, ())),
            callback_url=body.callback_url or "",
            callback_data=body.callback_data or "",
            track_clicks=bool(body.track_short_url_clicks or body.track_link),
            dlt_template_id=body.dlt_template_id or (template and template.dlt_template_id) or "",
            expires_at_ms=expires_at_ms,
            accepted_at_ms=now_ms,
        )


def _send_long(body: NewMessages, error: Exception) -> Notice:
    """Short URLs can't be had: raises the error again unless the sender takes long ones then."""
    is_down = not isinstance(error, ProblemError) or error.problem.type is UNAVAILABLE
    if body.on_shorten_failure != "send_long" or not is_down:
        raise error
    log.warning("messages are sent with their long URLs: %s", error)
    return Notice("url_left_long", "Short URLs can't be made now: the URLs are sent as they are")


def _wording(
    body: NewMessages, template: TemplateDocument | None, own_domains: Collection[str] | None
) -> Wording:
    """`own_domains` are not shortened; None where nothing is."""
    content_type = body.content_type or "text"
    return Wording(
        text=body.content if template is None else template.content,
        content_type="text" if content_type == "template" else content_type,
        substitutions=body.substitutions,
        shorten=own_domains is not None,
        only_last=not body.shorten_urls,
        own_domains=own_domains or (),
    )


def _replacements(urls: Sequence[ShortenedUrl], body: NewMessages) -> dict[str, str]:
    """What stands for each URL: the short one, without its scheme where the sender wants so."""
    keep_scheme = body.append_http is not False
    return {url.long_url: url.short_url if keep_scheme else url.short_url.partition("://")[2] for url in urls}


def _read_expiry(body: NewMessages, now_ms: int) -> int:
    try:
        return read_expiry(body.expire_at, now_ms)
    except ValueError as error:
        raise invalid_body(Flaw(str(error), pointer_to("expireAt"))) from None


def _unknown_fields(body: NewMessages) -> list[Notice]:
    return [
        Notice("unknown_field", f"{name[:100]!r} is not a known field and was passed over")
        for name in list(body.model_extra or ())[:MAX_ERRORS]
    ]
