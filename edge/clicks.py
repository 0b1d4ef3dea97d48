"""The click event: what the edge knows of one answered request for a code, as JSON on the bus.

A request for a code that leads nowhere is one too, an orphan: of no link and no tenant. How many of those
are recorded is bounded: `edge/orphans.py`.

`docs/clicks.v1.schema.json` is its JSON Schema; a test holds both to each other.

| field | type | meaning |
| --- | --- | --- |
| `v` | int | 1 |
| `source` | int | id of the spool it was written to, below 2^63; new for every worker process |
| `seq` | int | its number there: 1, 2, 3 ...; a gap is a click that could not be spooled (disk full) |
| `ts` | int | Unix time in ms when the answer was decided |
| `host` | str | the domain asked for, as configured |
| `code` | str | the code asked for |
| `link` | int | the link's number, 0 for an orphan |
| `tenant` | str | the link's tenant, `""` for an orphan |
| `personal` | bool | the code is a recipient's, not the link's own |
| `method` | str | `GET` or `HEAD` |
| `route` | str | `default`, `ios`, `android` or `expired`; `none` for an orphan |
| `outcome` | str | `redirected` (302), `gone` (410) or, of an orphan, `not_found` (404) |
| `ip` | str | the client's address, as `TRUSTED_PROXIES` let it be known; IPv4-mapped ones as IPv4 |
| `ua`, `referer`, `language` | str | header values, at most 2,048 characters each, `""` where absent |
| `signals` | object | header values by lower-case name, only those that came: see `SIGNAL_HEADERS` |
| `channel` | str | may be left out: `redirect`, or `app` for a click that an app reported to the api |
"""

from typing import Final, Literal

VERSION: Final = 1
MAX_HEADER_CHARS: Final = 2048

Route = Literal["default", "ios", "android", "expired", "none"]
Outcome = Literal["redirected", "gone", "not_found"]

SIGNAL_HEADERS: Final = (
    "sec-purpose",
    "purpose",
    "x-moz",
    "x-purpose",
    "sec-fetch-site",
    "sec-fetch-mode",
    "sec-fetch-dest",
    "sec-fetch-user",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "x-requested-with",
)
