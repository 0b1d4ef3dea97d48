"""Branded domains that arrive through a load balancer's redirect rule. Pure functions.

The rule sends whoever asks a branded domain on to `/ump-sltrack/TrackServlet?p=<the URL that was asked for>`
here, and that URL is answered as if it had been asked for directly.
"""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

PATH: Final = rb"/ump-sltrack/TrackServlet"

# A rule that pastes the URL unencoded pastes its query with it: after a question mark, `&` is the URL's own.
_PARAMETER: Final = re.compile(rb"(?:\A|&)p=([^&?]*+(?:\?.*)?)", re.DOTALL)
_URL: Final = re.compile(rb"https?://([^/?#]++)(/[^#]*+)\Z", re.IGNORECASE)


def is_tracked(target: bytes) -> bool:
    """Whether a request target is the servlet's."""
    return target.partition(b"?")[0] == PATH


def tracked_url(target: bytes) -> tuple[bytes, bytes] | None:
    """Host and target of the URL that the servlet's `p` names; None where there is none to be made out.

    `p` is percent-decoded once. The parts are what `Host` and the request line would have said, and as
    little to be trusted.
    """
    parameter = _PARAMETER.search(target.partition(b"?")[2])
    url = None if parameter is None else _URL.match(unquote_to_bytes(parameter[1]))
    return None if url is None else (url[1], url[2])
