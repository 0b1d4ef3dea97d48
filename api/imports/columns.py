"""Which columns the exports of other shorteners have, compared in lower case by letters and digits.

- `csv`: our own fields, and what most spreadsheets call them.
- `bitly`: its API's Bitlinks (id, link, custom_bitlinks, long_url, title, tags, created_at), see
  dev.bitly.com/api-reference. No document tells the columns of its dashboard's CSV. Other importers read
  of it Bitlink, Long URL or Original URL, Title, Tags, Created and Total Clicks.
- `shlink`: createdAt, domain, shortCode, shortUrl, longUrl, title, tags with `|` between, visits
  (shlink-web-component, ExportShortUrlsBtn.tsx).
- `dub`: Short link, Destination URL, Clicks, Created at, and where chosen Updated at, Tags with commas and
  Archived (dub, the modal for exports and `formatLinksForExport`); its API's link objects (dub.co/docs).
- `kutt`: its API's address, target, description, visit_count, created_at, expire_in, link and domain (kutt,
  `sanitize.link`); it has no export of files.
- `yourls`: its table `yourls_url` (keyword, url, title, timestamp, ip, clicks), as export plugins write it,
  and its API's stats, which have shorturl for keyword (yourls, `yourls_api_stats`).
"""

import re
from collections.abc import Mapping
from typing import Final, Literal

Source = Literal["csv", "bitly", "shlink", "dub", "kutt", "yourls"]
Field = Literal[
    "destination_url",
    "short_url",
    "code",
    "domain",
    "name",
    "tags",
    "clicks",
    "created_at",
    "expires_at",
    "expired_url",
    "ios_url",
    "android_url",
    "campaign",
    "external_id",
    "status",
    "suffix",
    "password",
    "banned",
]

_COMMON: Final[Mapping[Field, tuple[str, ...]]] = {
    "destination_url": ("destination_url", "long_url", "url", "target", "original_url", "destination"),
    "short_url": ("short_url", "short_link", "link"),
    "code": ("code", "slug", "keyword", "short_code", "back_half", "key", "alias"),
    "domain": ("domain",),
    "suffix": ("suffix",),
    "name": ("name", "title", "description"),
    "tags": ("tags",),
    "clicks": ("clicks", "imported_clicks", "total_clicks", "visits"),
    "created_at": ("created_at", "created", "date_created", "timestamp", "creation_date"),
    "expires_at": ("expires_at", "expiration_date"),
    "expired_url": ("expired_url",),
    "ios_url": ("ios_url", "ios"),
    "android_url": ("android_url", "android"),
    "campaign": ("campaign",),
    "external_id": ("external_id",),
    "status": ("status",),
}

COLUMNS: Final[Mapping[Source, Mapping[Field, tuple[str, ...]]]] = {
    "csv": _COMMON,
    "bitly": {
        "destination_url": ("long_url", "original_url", "destination_url"),
        "short_url": ("custom_bitlinks", "bitlink", "bitly_link", "link", "short_link", "short_url", "id"),
        "code": ("custom_back_half", "back_half"),
        "name": ("title",),
        "tags": ("tags",),
        "clicks": ("clicks", "total_clicks", "engagements", "total_engagements", "link_clicks"),
        "created_at": ("created_at", "created", "date_created", "creation_date"),
        "expires_at": ("expiration_at",),
    },
    "shlink": {
        "destination_url": ("long_url",),
        "short_url": ("short_url",),
        "code": ("short_code",),
        "domain": ("domain",),
        "name": ("title",),
        "tags": ("tags",),
        "clicks": ("visits", "visits_count", "visits_summary"),
        "created_at": ("created_at", "date_created"),
        "expires_at": ("valid_until",),
    },
    "dub": {
        "destination_url": ("destination_url", "url"),
        "short_url": ("short_link", "link"),
        "code": ("key",),
        "domain": ("domain",),
        "name": ("title", "description", "comments"),
        "tags": ("tags",),
        "clicks": ("clicks",),
        "created_at": ("created_at",),
        "expires_at": ("expires_at",),
        "expired_url": ("expired_url",),
        "ios_url": ("ios", "ios_targeting"),
        "android_url": ("android", "android_targeting"),
        "external_id": ("external_id",),
        "password": ("password",),
    },
    "kutt": {
        "destination_url": ("target",),
        "short_url": ("link",),
        "code": ("address",),
        "domain": ("domain",),
        "name": ("description",),
        "clicks": ("visit_count",),
        "created_at": ("created_at",),
        "expires_at": ("expire_in",),
        "password": ("password",),
        "banned": ("banned",),
    },
    "yourls": {
        "destination_url": ("url",),
        "short_url": ("short_url",),
        "code": ("keyword",),
        "name": ("title",),
        "clicks": ("clicks",),
        "created_at": ("timestamp",),
    },
}

REQUIRED: Final[tuple[Field, ...]] = ("destination_url",)


def plain_name(column: str) -> str:
    """`Long URL`, `long_url` and `longUrl` are the same column."""
    return re.sub(r"[^a-z0-9]", "", column.lower())


def fields_of(source: Source, row: Mapping[str, object]) -> dict[Field, object]:
    """What a row of the source says, by our fields; empty cells and unknown columns are left out."""
    cells = {plain_name(column): value for column, value in {**row, **_nested(row)}.items()}
    found: dict[Field, object] = {}
    for field, columns in COLUMNS[source].items():
        for column in columns:
            value = cells.get(plain_name(column))
            if value not in (None, "", [], {}):
                found[field] = value
                break
    return found


def _nested(row: Mapping[str, object]) -> Mapping[str, object]:
    """What Shlink's API has in `meta`: validSince, validUntil, maxVisits."""
    meta = row.get("meta")
    return meta if isinstance(meta, dict) else {}


def is_known(source: Source, header: list[str]) -> bool:
    """Whether the header has what a link needs."""
    names = {plain_name(column) for column in header}
    return all(any(plain_name(column) in names for column in COLUMNS[source][field]) for field in REQUIRED)
