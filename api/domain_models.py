"""What goes in and out of the domain routes. The OpenAPI document is generated from these."""

from datetime import datetime
from typing import Annotated, Any, Final, Self

import orjson
from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from api.fields import HOST_PATTERN, Fixed, Name, Text, Url, instant_of
from api.models import Body
from api.urls import normalise_domain
from ingest.contract import DomainDocument
from ingest.contract import PageText as StoredPage

MAX_FILE_BYTES: Final = 128 * 1024  # what Apple takes
MAX_FILE_DEPTH: Final = 32
MAX_TITLE_CHARS: Final = 120
MAX_MESSAGE_CHARS: Final = 1000


def _check_file(value: Any) -> Any:
    if _depth(value) > MAX_FILE_DEPTH:
        raise ValueError(f"Nested more than {MAX_FILE_DEPTH} deep")
    size = len(orjson.dumps(value))
    if size > MAX_FILE_BYTES:
        raise ValueError(f"The file has {size:,} bytes; at most {MAX_FILE_BYTES:,} are accepted")
    return value


def _depth(value: Any) -> int:
    """How deep arrays and objects are nested; stops counting one beyond `MAX_FILE_DEPTH`."""
    depth, level = 0, [value]
    while level and depth <= MAX_FILE_DEPTH:
        containers = [each for each in level if isinstance(each, dict | list)]
        depth += bool(containers)
        level = [
            inner for each in containers for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return depth


Host = Annotated[
    str,
    Field(max_length=260),
    AfterValidator(normalise_domain),
    WithJsonSchema(
        {
            "type": "string",
            "format": "host",
            "pattern": HOST_PATTERN,
            "examples": ["go.example.com"],
        }
    ),
]
Title = Annotated[Name, Field(min_length=1, max_length=MAX_TITLE_CHARS)]
Message = Annotated[Text, Field(min_length=1, max_length=MAX_MESSAGE_CHARS)]
AppleAppSiteAssociation = Annotated[
    dict[str, Any],
    AfterValidator(_check_file),
    WithJsonSchema(
        {
            "type": "object",
            "examples": [{"applinks": {"details": [{"appIDs": ["ABCDE12345.com.example.app"]}]}}],
        }
    ),
]
AssetLinks = Annotated[
    list[dict[str, Any]],
    AfterValidator(_check_file),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "object"},
            "examples": [
                [
                    {
                        "relation": ["delegate_permission/common.handle_all_urls"],
                        "target": {"namespace": "android_app", "package_name": "com.example.app"},
                    }
                ]
            ],
        }
    ),
]


class Page(Body):
    """A page in your own words. Plain text: whatever looks like HTML is shown as it stands."""

    title: Title = Field(examples=["Nichts gefunden"])
    message: Message = Field(examples=["Dieser Link führt nirgendwohin."])


class DomainFields(Body):
    """What can be given when a domain is made, and changed later."""

    not_found_url: Url | None = Field(
        None, description="Where a code that leads nowhere is redirected to; counts before not_found_page"
    )
    not_found_page: Page | None = Field(None, description="Your words on the 404 page")
    expired_url: Url | None = Field(
        None, description="Where links go that have expired and have no expired_url of their own"
    )
    expired_page: Page | None = Field(None, description="Your words on the 410 page")
    apple_app_site_association: AppleAppSiteAssociation | None = Field(
        None, description="Served at /.well-known/apple-app-site-association"
    )
    assetlinks: AssetLinks | None = Field(None, description="Served at /.well-known/assetlinks.json")


class NewDomain(DomainFields):
    host: Host = Field(description="host, or host:port; its DNS name must lead to the edge")


class DomainPatch(DomainFields):
    """JSON Merge Patch (RFC 7396) on the fields; pages and files are replaced as a whole."""

    host: SkipJsonSchema[Fixed] = None


class Domain(BaseModel):
    """A domain as it is answered. Times are UTC; the default domain has none until it is first changed."""

    host: str = Field(examples=["go.example.com"])
    is_default: bool = Field(description="Of the settings: for links that name no domain")
    not_found_url: str | None
    not_found_page: Page | None
    expired_url: str | None
    expired_page: Page | None
    apple_app_site_association: AppleAppSiteAssociation | None
    assetlinks: AssetLinks | None
    created_at: datetime | None
    updated_at: datetime | None

    @classmethod
    def of(cls, document: DomainDocument, *, default: str) -> Self:
        """The answer for a stored domain."""
        is_stored = document.version > 0
        return cls(
            host=document.host,
            is_default=document.host == default,
            not_found_url=document.not_found_url,
            not_found_page=_page(document.not_found_page),
            expired_url=document.expired_url,
            expired_page=_page(document.expired_page),
            apple_app_site_association=document.apple_app_site_association,
            assetlinks=document.assetlinks,
            created_at=instant_of(document.created_at_ms) if is_stored else None,
            updated_at=instant_of(document.updated_at_ms) if is_stored else None,
        )


class DomainPage(BaseModel):
    data: list[Domain]
    next_cursor: None = Field(None, description="Always null: all domains are on one page")


def _page(stored: StoredPage | None) -> Page | None:
    return None if stored is None else Page(title=stored.title, message=stored.message)
