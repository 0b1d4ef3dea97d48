"""Where keys stand on a Redis Cluster. Pure.

There are no doublings as on one Redis (`edge/code_layout.py`): a change of the layout and the answers that
depend on it would come from different nodes, in no order. So a cluster has 4,194,304 buckets of codes from
the start: a billion codes are 240 a bucket, which Redis keeps as a listpack, and while there are few codes
the buckets' cost is bounded by 400 MB over all nodes.

All keys but the shared ones belong to one of 256 groups. A group's keys stand in one slot, so that a script
may work on them together, and the groups' slots lie evenly over the 16,384 there are.

| key | is |
| --- | --- |
| `code:{<tag>}:<bucket>`, `link:{<tag>}:<number>`, `id:{<tag>}:<bucket>` | as in `edge/codes.py` |
| `mints:{<tag>}:<number>` | the same |
| `whole:{<tag>}` | there while the group has all that it should; a node that lost its data has none |
| `links{<tag>}`, `domains{<tag>}` ... | the shared keys, all with the tag of group 0 |
"""

import binascii
import zlib
from typing import Final

from edge.codes import SHARED_KEYS, SharedKeys

SLOTS: Final = 16_384
GROUPS: Final = 256
CODE_BUCKETS: Final = 1 << 22
ID_BUCKETS: Final = 1 << 16


def slot_of(tag: bytes) -> int:
    """The slot of all keys with `{tag}` in them."""
    return binascii.crc_hqx(tag, 0) % SLOTS


def _spread_tags() -> tuple[bytes, ...]:
    """For each group the first number, as text, whose slot lies in the group's share of all slots."""
    tags: dict[int, bytes] = {}
    number = 0
    while len(tags) < GROUPS:
        tag = b"%d" % number
        tags.setdefault(slot_of(tag) * GROUPS // SLOTS, tag)
        number += 1
    return tuple(tags[group] for group in range(GROUPS))


TAGS: Final = _spread_tags()
GROUP_SLOTS: Final = tuple(map(slot_of, TAGS))
WHOLE_KEYS: Final = tuple(b"whole:{%b}" % tag for tag in TAGS)
SHARED_SLOT: Final = GROUP_SLOTS[0]
CLUSTER_SHARED_KEYS: Final = SharedKeys(*(b"%b{%b}" % (key, TAGS[0]) for key in SHARED_KEYS))


def group_of_field(field: bytes) -> int:
    """The group of a code's field, or of a link's public id."""
    return zlib.crc32(field) % GROUPS


def group_of_link(number: int) -> int:
    return number % GROUPS


def code_key(field: bytes) -> bytes:
    crc = zlib.crc32(field)
    return b"code:{%b}:%d" % (TAGS[crc % GROUPS], crc % CODE_BUCKETS)


def link_key(number: int) -> bytes:
    return b"link:{%b}:%d" % (TAGS[number % GROUPS], number)


def mints_key(number: int) -> bytes:
    return b"mints:{%b}:%d" % (TAGS[number % GROUPS], number)


def id_key(link_id: bytes) -> bytes:
    crc = zlib.crc32(link_id)
    return b"id:{%b}:%d" % (TAGS[crc % GROUPS], crc % ID_BUCKETS)
