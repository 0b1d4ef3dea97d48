"""Whose clicks a report is on, where that takes a look at the catalogue."""

from typing import Final

from api.reports.query import Scope
from ingest.contract import Warehouse

# Their numbers travel as one parameter; more links than this share no campaign or tag.
MAX_LINKS: Final = 50_000

_SQL: Final = """
SELECT number FROM links FINAL
WHERE tenant = {tenant:String} AND NOT deleted
    AND (campaign = {campaign:String} OR has(tags, {tag:String}))
ORDER BY number LIMIT {limit:UInt32}
"""


def scope_of_label(
    warehouse: Warehouse, tenant: str, *, campaign: str | None = None, tag: str | None = None
) -> Scope:
    """The links that bear a campaign or a tag now, whenever their clicks were. One of the two is given.

    Blocks. Raises `ValueError` where there are too many.
    """
    wanted = {"tenant": tenant, "campaign": campaign or "", "tag": tag or "", "limit": MAX_LINKS + 1}
    links = tuple(int(number) for (number,) in warehouse.query(_SQL, wanted))
    if len(links) > MAX_LINKS:
        raise ValueError(f"more than {MAX_LINKS} links have it: ask for fewer, or for a domain")
    return Scope(tenant, links)
