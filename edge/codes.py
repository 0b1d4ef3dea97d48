"""Codes: what they look like, and where in Redis they stand. Pure functions.

The layout in one Redis (`docs/decisions.md` has the figures; on a cluster it is `edge/cluster_keys.py`):

| key | type | holds |
| --- | --- | --- |
| `code:<bucket>` | hash | field: the code and its domain's tag; value: the link's number |
| `code_buckets` | string | how many buckets of codes there are: `edge/code_layout.py` |
| `code_releases` | string | how often codes were released: edges then forget those that they have cached |
| `link:<number>` | hash | what the edge needs of a link, one field each (`edge/links.py`), and `document` |
| `id:<bucket>` | hash | field: the link's public id; value: the link's number |
| `mints:<number>` | hash | who mints codes for the link's recipients: `edge/redis_mints.py` |
| `links` | string | the highest link number given so far; where it is missing, Redis was emptied |
| `domains` | hash | field: a domain's host; value: its document (`edge/domains.py`) |
| `domain_tags` | string | the number of the last domain's tag given so far |

A bucket is a hash of 50 to 100 fields, which Redis keeps as a listpack: 16 to 18 bytes a code.
A domain's tag is empty for the default domain and `.1`, `.2` ... for the others, so that each domain has a
name space of its own at no cost to the common case.
"""

import re
import secrets
import string
import zlib
from typing import NamedTuple

ALPHABET = string.ascii_letters + string.digits
CUSTOM = re.compile(r"[A-Za-z0-9]{4,12}\Z")
"""What we give, or are asked for."""
IMPORTED = re.compile(r"[A-Za-z0-9_-]{1,50}\Z")
"""What is served: links come from elsewhere, too. Under 64 bytes with a tag, so buckets stay listpacks."""
SUFFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}(/[A-Za-z0-9][A-Za-z0-9_-]{0,31}){0,3}\Z")
GENERATED_LENGTH = 8
ID_BUCKETS = 1 << 12


def generate(length: int = GENERATED_LENGTH) -> str:
    """A fresh code of `length` characters (6 to 8) from the system's randomness."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def generate_many(count: int, length: int = GENERATED_LENGTH) -> list[str]:
    """`count` fresh codes from one draw of randomness; far cheaper than `generate` in a loop.

    Bytes of 248 and above are thrown away, so that each of the 62 characters is equally likely.
    """
    wanted = count * length
    characters = ""
    while len(characters) < wanted:
        drawn = secrets.token_bytes((wanted - len(characters)) * 256 // 248 + 16)
        characters += drawn.translate(_CHARACTER_OF_BYTE, _SURPLUS_BYTES).decode("ascii")
    return [characters[at : at + length] for at in range(0, wanted, length)]


_SURPLUS_BYTES = bytes(range(248, 256))
_CHARACTER_OF_BYTE = bytes(ord(ALPHABET[byte % 62]) for byte in range(256))


def code_field(code: bytes, domain_tag: bytes) -> bytes:
    return code + domain_tag


def link_key(number: int) -> bytes:
    return b"link:%d" % number


def mints_key(number: int) -> bytes:
    return b"mints:%d" % number


def id_key(link_id: bytes) -> bytes:
    return b"id:%d" % (zlib.crc32(link_id) % ID_BUCKETS)


LAST_NUMBER_KEY = b"links"
RELEASES_KEY = b"code_releases"
DOMAINS_KEY = b"domains"
LAST_TAG_KEY = b"domain_tags"


class SharedKeys(NamedTuple):
    """The keys there are once, whatever the number of links and codes."""

    last_number: bytes
    releases: bytes
    domains: bytes
    last_tag: bytes


SHARED_KEYS = SharedKeys(LAST_NUMBER_KEY, RELEASES_KEY, DOMAINS_KEY, LAST_TAG_KEY)
