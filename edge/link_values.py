"""A link from what Redis has of it, checked, so that nothing of it can bend an answer."""

import logging
from collections.abc import Sequence

from edge.click_json import link_fields
from edge.known_link import KnownLink
from edge.links import EDGE_FIELDS, EdgeLink
from edge.routing import fits_location, fixed_decisions

_log = logging.getLogger(__name__)


def read_link(number: int, values: Sequence[bytes | None]) -> KnownLink | None:
    """The link from its values in the order of `EDGE_FIELDS`; None where it must not be served."""
    fields = {name: value for name, value in zip(EDGE_FIELDS, values, strict=True) if value is not None}
    try:
        link = EdgeLink.from_fields(number, fields)
    except ValueError:
        _log.exception("link:%d in Redis can't be read, so it is not served", number)
        return None
    if link is None:
        return None
    if not all(map(fits_location, (link.destination, link.ios, link.android, link.expired_url))):
        _log.error("link:%d in Redis has a URL that is no visible ASCII, so it is not served", number)
        return None
    suffix = f"{link.suffix}/".encode() if link.suffix else b""
    return KnownLink(
        link, b"%d" % number, suffix, link.code.encode(), link_fields(link), fixed_decisions(link)
    )
