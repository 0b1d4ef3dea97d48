"""What the API answers, as types of the JSON that comes. `/openapi.json` describes every field."""

from typing import Any, Generic, Literal, NotRequired, TypedDict, TypeVar

Json = dict[str, Any]
Item = TypeVar("Item")


class DeviceRoutes(TypedDict):
    ios: str | None
    android: str | None


class Link(TypedDict):
    """Times are RFC 3339 in UTC."""

    id: str
    name: str
    short_url: str
    domain: str
    suffix: str | None
    code: str
    destination_url: str
    device_routes: DeviceRoutes
    device_routing: bool
    expires_at: str | None
    expired_url: str | None
    status: Literal["active", "expired", "disabled"]
    campaign: str | None
    tags: list[str]
    external_id: str | None
    forward_query: bool
    links_sent_30d: int
    clicks_30d: int
    imported_clicks: int
    created_at: str
    updated_at: str


class Page(TypedDict, Generic[Item]):
    data: list[Item]
    next_cursor: str | None


class Verdict(TypedDict):
    """What became of a line: `problem` where nothing did."""

    line: int
    op: NotRequired[str]
    status: NotRequired[int | str]
    id: NotRequired[str]
    link: NotRequired[Link]
    short_url: NotRequired[str]
    problem: NotRequired[Json]


class MintedCode(TypedDict, total=False):
    """A recipient's code; or `line` and `problem` where there is none."""

    recipient: str
    reference: str
    code: str
    short_url: str
    line: int
    problem: Json


class ClickedRecipient(TypedDict):
    link_id: str
    link_name: str
    recipient: str
    reference: str
    code: str
    clicks: int
    first_click_at: str
    last_click_at: str
    address: str
    browser: str
    os: str
    device: str
    country: str
    region: str
    city: str


class Stats(TypedDict):
    totals: dict[str, int]
    series: list[Json]
    breakdowns: dict[str, list[Json]]
    unique_is_estimate: bool
    as_of: str
    notes: list[str]
    previous: Json | None
