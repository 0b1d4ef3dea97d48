"""Short URLs for the drafts of one request: a link a URL, a code a link and destination."""

from collections.abc import Sequence
from dataclasses import dataclass

from api.domains import Domains
from api.messages.drafts import Draft
from api.messages.message import ShortenedUrl
from api.messages.url_links import UrlLinks
from api.problems import Flaw, ProblemError, invalid_body, pointer_to
from api.recipients import Recipients
from api.urls import normalise_domain, short_url
from ingest.contract import LinkDocument


@dataclass(frozen=True, slots=True)
class Addressed:
    """A draft and the id that its message will have."""

    id: str
    draft: Draft


class Shortening:
    """Makes links and mints codes. Owns nothing of what it is given."""

    def __init__(self, *, domains: Domains, url_links: UrlLinks, recipients: Recipients) -> None:
        self._domains = domains
        self._url_links = url_links
        self._recipients = recipients

    async def shorten(
        self, tenant: str, wanted_domain: str | None, messages: Sequence[Addressed]
    ) -> dict[str, list[ShortenedUrl]]:
        """The URLs of each message by its id. All codes are minted at once, for all links and destinations.

        Raises a 422 where the domain is not one of the tenant's, and what links and codes raise.
        """
        wanted = [
            (url, message)
            for message in messages
            for url in dict.fromkeys((message.draft.urls or {}).values())
        ]
        if not wanted:
            return {}
        urls = list(dict.fromkeys(url for url, _ in wanted))
        try:
            async with self._domains.use(tenant, wanted_domain) as domain:
                link_of = await self._url_links.links_of(tenant, domain, urls)
        except ProblemError as error:
            raise _name_domain_field(error) from None
        links = [link_of[url] for url, _ in wanted]
        pairs = [(message.draft.destination.recipient, message.id) for _, message in wanted]
        codes = await self._recipients.mint_across(links, pairs)
        shortened: dict[str, list[ShortenedUrl]] = {}
        for (url, message), link, code in zip(wanted, links, codes, strict=True):
            shortened.setdefault(message.id, []).append(_shortened(url, link, code))
        return shortened


def _shortened(url: str, link: LinkDocument, code: str) -> ShortenedUrl:
    return ShortenedUrl(url, short_url(link.domain, link.suffix, code), link.id, link.number, code)


def read_domain(text: str | None) -> str | None:
    """The host of `shortUrlDomain`, which the vendor's examples write as a URL. Raises a 422."""
    if text is None:
        return None
    host = text.removeprefix("https://").removeprefix("http://").removesuffix("/")
    try:
        return normalise_domain(host)
    except ValueError as error:
        raise invalid_body(Flaw(str(error), pointer_to("shortUrlDomain"))) from None


def _name_domain_field(error: ProblemError) -> ProblemError:
    """The same refusal of a domain, pointing to the field that it has in this body."""
    flaws = [
        Flaw(flaw.detail, pointer_to("shortUrlDomain")) if flaw.pointer == pointer_to("domain") else flaw
        for flaw in error.problem.flaws
    ]
    return invalid_body(*flaws) if flaws else error
