"""What the routes work with, put together once and handed to each request."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from api.access.access import Access
from api.app_clicks.service import AppClicks
from api.audit.log import AuditLog
from api.domains import Domains
from api.erasures import Erasures
from api.events import Clock
from api.links import Links
from api.messages.service import Messages
from api.metrics import Metrics
from api.recipients import Recipients
from api.webhooks import Webhooks
from ingest.contract import Catalogue, Explainer, Warehouse


@dataclass(frozen=True, slots=True)
class Services:
    """Owns none of them."""

    access: Access
    audit_log: AuditLog
    domains: Domains
    links: Links
    recipients: Recipients
    messages: Messages
    webhooks: Webhooks
    app_clicks: AppClicks
    catalogue: Catalogue
    warehouse: Warehouse
    erasures: Erasures
    spool_dir: Path
    explainer: Explainer
    metrics: Metrics
    clock: Clock


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesOf = Annotated[Services, Depends(_services)]
