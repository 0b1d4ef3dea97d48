"""What a webhook's body says: `{"type", "timestamp", "data"}`, as Standard Webhooks has it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson


@dataclass(frozen=True, slots=True)
class ClickRow:
    """A stored click, as far as it is told of. Time in Unix ms."""

    source: int
    seq: int
    tenant: str
    link: int
    code: str
    ts_ms: int
    verdict: str
    rule: str
    channel: str
    ip: str
    country: str
    region: str
    city: str
    browser: str
    browser_version: str
    os: str
    os_version: str
    device_brand: str
    device: str
    platform: str

    @property
    def event_id(self) -> str:
        """The same for the same click for ever; ids sort by time."""
        return f"msg_{self.ts_ms:013d}_{self.source:x}_{self.seq:x}"


@dataclass(frozen=True, slots=True)
class ClickedMessage:
    """The message whose link was clicked. Absent texts are empty."""

    id: str
    recipient: str
    sender: str
    correlation_id: str
    callback_data: str
    callback_url: str
    long_url: str
    short_url: str
    track_clicks: bool


@dataclass(frozen=True, slots=True)
class LinkChange:
    """A version of a link as it was stored; of a deletion only tenant, id and times are known."""

    tenant: str
    number: int
    version: int
    id: str
    name: str
    domain: str
    suffix: str
    code: str
    destination_url: str
    campaign: str | None
    external_id: str | None
    updated_at_ms: int
    deleted: bool
    stored_at_ms: int

    @property
    def event(self) -> str:
        if self.deleted:
            return "link.deleted"
        return "link.created" if self.version == 1 else "link.updated"

    @property
    def event_id(self) -> str:
        version = "deleted" if self.deleted else str(self.version)
        return f"msg_{self.updated_at_ms:013d}_{self.number:x}_{version}"


def message_clicked(click: ClickRow, link_id: str, message: ClickedMessage) -> str:
    """The CLICKED receipt."""
    data = {
        "status": "CLICKED",
        "message_id": message.id,
        "correlationId": message.correlation_id or None,
        "callbackData": message.callback_data or None,
        "to": message.recipient,
        "from": message.sender,
        "short_url": message.short_url,
        "long_url": message.long_url,
        **_click(click, link_id),
    }
    return _body("message.clicked", click.ts_ms, data)


def link_clicked(click: ClickRow, link_id: str) -> str:
    return _body("link.clicked", click.ts_ms, _click(click, link_id))


def link_changed(change: LinkChange) -> str:
    data: dict[str, Any] = {"link_id": change.id}
    if not change.deleted:
        data |= {
            "name": change.name,
            "short_url": _short_url(change.domain, change.suffix, change.code),
            "destination_url": change.destination_url,
            "campaign": change.campaign,
            "external_id": change.external_id,
            "version": change.version,
        }
    return _body(change.event, change.updated_at_ms, data)


def _click(click: ClickRow, link_id: str) -> dict[str, Any]:
    return {
        "link_id": link_id,
        "code": click.code,
        "clicked_at": _time(click.ts_ms),
        "channel": click.channel,
        "verdict": click.verdict,
        "rule": click.rule,
        "ip": click.ip,
        "place": {"country": click.country, "region": click.region, "city": click.city},
        "browser": {"name": click.browser, "version": click.browser_version},
        "os": {"name": click.os, "version": click.os_version},
        "device": {"brand": click.device_brand, "model": click.device, "platform": click.platform},
    }


_LOCAL: Final = ("localhost", "127.", "[::1]")


def _short_url(domain: str, suffix: str, code: str) -> str:
    scheme = "http" if domain.startswith(_LOCAL) else "https"
    return "/".join(part for part in (f"{scheme}://{domain}", suffix, code) if part)


def _body(event: str, at_ms: int, data: Mapping[str, Any]) -> str:
    return orjson.dumps({"type": event, "timestamp": _time(at_ms), "data": data}).decode()


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
