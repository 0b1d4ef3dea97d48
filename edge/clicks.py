"""The click event: what the edge knows of one answered request, as JSON on the bus.

`docs/clicks.v1.schema.json` is its JSON Schema; a test holds both to each other.

| field | type | meaning |
| --- | --- | --- |
| `v` | int | 1 |
| `source` | int | id of the spool it was written to, below 2^63; new for every worker process |
| `seq` | int | its number there: 1, 2, 3 ...; a gap is a click that could not be spooled (disk full) |
| `ts` | int | Unix time in ms when the answer was decided |
| `host` | str | the domain asked for, as configured |
| `code` | str | the code asked for |
| `link` | int | the link's number |
| `tenant` | str | the link's tenant |
| `personal` | bool | the code is a recipient's, not the link's own |
| `method` | str | `GET` or `HEAD` |
| `route` | str | `default`, `ios`, `android` or `expired` |
| `outcome` | str | `redirected` (302) or `gone` (410) |
| `ip` | str | the client's address, as `TRUSTED_PROXIES` let it be known; IPv4-mapped ones as IPv4 |
| `ua`, `referer`, `language` | str | header values, at most 2,048 characters each, `""` where absent |
| `signals` | object | header values by lower-case name, only those that came: see `SIGNAL_HEADERS` |
"""

from typing import Final, Literal

VERSION: Final = 1
MAX_HEADER_CHARS: Final = 2048

Route = Literal["default", "ios", "android", "expired"]
Outcome = Literal["redirected", "gone"]

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
