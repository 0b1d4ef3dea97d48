"""India's DLT ids in SMPP: optional parameters under vendors' own tags, by custom, in no standard. Pure.

0x1400 is the principal entity's id, 0x1401 the template's, both octet strings of ASCII without a closing
zero: so do Kannel's users and the operators' DLT specifications for SMPP. Some SMSCs want other tags.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_ENTITY_TAG: Final = 0x1400
_TEMPLATE_TAG: Final = 0x1401
_VENDOR_TAGS: Final = range(0x1400, 0x4000)  # SMPP 3.4, 5.3.2
_ID: Final = re.compile(r"[!-~]{1,100}\Z")


@dataclass(frozen=True, slots=True)
class DltTags:
    """Under which tags ids are sent, and the sender's own entity id; empty where it has none."""

    entity_id: str = ""
    entity_tag: int = _ENTITY_TAG
    template_tag: int = _TEMPLATE_TAG

    def parameters(self, template_id: str) -> dict[int, str]:
        """The values by their tags; an id that is empty has none.

        Raises `ValueError` for a template id that SMPP can't carry.
        """
        if template_id and not _ID.match(template_id):
            raise ValueError("dltTemplateId has printable ASCII characters only, without spaces")
        values = {self.entity_tag: self.entity_id, self.template_tag: template_id}
        return {tag: value for tag, value in values.items() if value}


def read_dlt_tags(query: Mapping[str, str]) -> DltTags:
    """From the query of a gateway's URL. Raises `ValueError` whose text says what is wrong."""
    entity_id = query.get("dlt_entity_id", "")
    if entity_id and not _ID.match(entity_id):
        raise ValueError("has a dlt_entity_id of printable ASCII characters")
    tags = DltTags(
        entity_id,
        _read_tag(query, "dlt_entity_tag", _ENTITY_TAG),
        _read_tag(query, "dlt_template_tag", _TEMPLATE_TAG),
    )
    if tags.entity_tag == tags.template_tag:
        raise ValueError("has two different tags for dlt_entity_tag and dlt_template_tag")
    return tags


def _read_tag(query: Mapping[str, str], name: str, default: int) -> int:
    if name not in query:
        return default
    try:
        tag = int(query[name], 0)
    except ValueError:
        tag = 0
    if tag not in _VENDOR_TAGS:
        raise ValueError(f"has a {name} from 0x1400 to 0x3FFF, such as {name}=0x{default:04X}")
    return tag
