"""A row of another shortener's export as a link of ours. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from api.fields import MAX_NAME_CHARS, instant_of, ms_of
from api.imports.columns import Source, fields_of
from api.link_fields import Past
from api.models import NewLink
from api.problems import Flaw, ProblemError, invalid_body, problem_of_body
from edge.contract import IMPORTED, SUFFIX

MAX_CODE_CHARS: Final = 50
_MAX_CLICKS: Final = 2**63 - 1
_END_MS: Final = ms_of(datetime(2299, 1, 1, tzinfo=UTC))
_DISABLED: Final = frozenset({"disabled", "inactive", "paused"})
_DATE_FORMATS: Final = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%m/%d/%Y", "%b %d, %Y")
_KEPT: Final = ("expired_url", "campaign", "external_id")


class MovedLink(NewLink):
    """A link with the code that it had elsewhere: the edge serves more than can be asked for here."""

    code: str | None = None


@dataclass(frozen=True, slots=True)
class ImportedLink:
    """What to make. `former_domain` is where it stood until now."""

    link: MovedLink
    past: Past
    former_domain: str | None


def read_row(source: Source, row: Mapping[str, object], *, domain: str | None) -> ImportedLink:
    """The link that the row describes, on `domain` (None: the default one). Raises a 422 telling why not.

    Its code is kept as it is, since messages with it are out; one that could not be answered is refused.
    """
    cells = fields_of(source, row)
    if "destination_url" not in cells:
        raise invalid_body(Flaw("The row has no destination", pointer="#/destination_url"))
    if cells.get("password"):
        raise invalid_body(Flaw("It asks for a password, which links here can't", pointer="#/password"))
    host, path = _place(cells)
    suffix, code = _split(path)
    new: dict[str, Any] = {
        "destination_url": _text(cells["destination_url"]),
        "code": code,
        "suffix": _text(cells.get("suffix")) or suffix,
        "domain": domain,
        "name": " ".join(_text(cells.get("name")).split())[:MAX_NAME_CHARS] or None,
        "tags": _tags(cells.get("tags")),
        "device_routes": {
            device: _text(cells[field])
            for device, field in (("ios", "ios_url"), ("android", "android_url"))
            if field in cells
        },
        **{name: _text(cells[name]) for name in _KEPT if name in cells},
    }
    created_ms = _unix_ms(cells.get("created_at"), "created_at")
    expires_ms = _unix_ms(cells.get("expires_at"), "expires_at")
    if expires_ms is not None:
        new["expires_at"] = instant_of(expires_ms).isoformat()
    try:
        link = MovedLink.model_validate({name: value for name, value in new.items() if value})
    except ValidationError as error:
        problem = problem_of_body(error.errors(include_url=False, include_input=False))
        raise ProblemError(problem.type, problem.detail, problem.flaws) from None
    past = Past(_clicks(cells.get("clicks")), created_ms, is_enabled=_is_enabled(cells))
    return ImportedLink(link, past, host)


def _is_enabled(cells: Mapping[Any, object]) -> bool:
    is_banned = _text(cells.get("banned")).lower() in {"true", "1"}
    return not is_banned and _text(cells.get("status")).lower() not in _DISABLED


def _place(cells: Mapping[Any, object]) -> tuple[str | None, str]:
    """Host and path of the short URL: a column of its own goes before the whole URL's."""
    short_url = cells.get("short_url", "")
    first = short_url[0] if isinstance(short_url, list) else short_url
    text = _text(first)
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
    except ValueError:
        raise invalid_body(Flaw(f"{text[:100]!r} is no URL", pointer="#/short_url")) from None
    host = _text(cells.get("domain")) or parts.netloc or None
    return host and host.lower(), _text(cells.get("code")) or unquote(parts.path).strip("/")


def _split(path: str) -> tuple[str | None, str | None]:
    """Suffix and code of a path. Raises a 422 where the edge would not answer it."""
    if not path:
        return None, None
    suffix, _, code = path.strip("/").rpartition("/")
    if not IMPORTED.match(code) or (suffix and not SUFFIX.match(suffix)):
        raise invalid_body(
            Flaw(
                f"The code {path[:100]!r} can't be kept: {_why_not(code)}. Served are 1 to 50 characters"
                " A-Z, a-z, 0-9, - and _, behind a suffix or none. Leave its column empty for a fresh one",
                pointer="#/code",
            )
        )
    return suffix or None, code


def _why_not(code: str) -> str:
    if strange := sorted(set(re.sub(r"[A-Za-z0-9_-]", "", code))):
        return f"it has {' '.join(strange)[:20]!r}"
    return (
        f"it has {len(code)} characters" if len(code) > MAX_CODE_CHARS else "the path before it is no suffix"
    )


def _tags(value: object) -> list[str] | None:
    if value is None:
        return None
    if isinstance(value, list):
        tags = [_text(tag.get("name") if isinstance(tag, dict) else tag) for tag in value]
    else:
        tags = [tag.strip() for tag in re.split(r"[|,;]", str(value))]
    return [tag for tag in tags if tag]


def _clicks(value: object) -> int:
    total = value.get("total") if isinstance(value, dict) else value
    text = re.sub(r"[,\s]", "", _text(total)) or "0"
    if not re.fullmatch(r"\d{1,18}(\.0+)?", text):
        raise invalid_body(Flaw("A number of clicks is wanted", pointer="#/clicks"))
    return min(int(text.partition(".")[0]), _MAX_CLICKS)


def _unix_ms(value: object, field: str) -> int | None:
    """RFC 3339, the usual ways to write a date (as UTC), or Unix seconds or ms."""
    text = _text(value)
    if not text:
        return None
    if re.fullmatch(r"\d{9,13}", text):
        unix_ms = int(text) * (1000 if len(text) < 12 else 1)
        if unix_ms < _END_MS:
            return unix_ms
    for read in (datetime.fromisoformat, *(_reader(each) for each in _DATE_FORMATS)):
        try:
            moment = read(text.removesuffix(" UTC"))
        except ValueError:
            continue
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if 1970 < moment.year < 2299:
            return round(moment.timestamp() * 1000)
    raise invalid_body(Flaw(f"{text[:40]!r} is no date; RFC 3339 is best", pointer=f"#/{field}"))


def _reader(date_format: str) -> Callable[[str], datetime]:
    return lambda text: datetime.strptime(text, date_format).replace(tzinfo=UTC)


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()
