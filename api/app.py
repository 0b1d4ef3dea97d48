"""The application: routes, authentication, errors, metrics and docs, put together from what it is given."""

import time

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from api.access.access import Access
from api.access.authentication import Authentication
from api.access.rate_limits import RateLimiting
from api.app_clicks.service import AppClicks
from api.app_clicks.vendor_shape import VendorShape
from api.audit.log import AuditLog
from api.audit.trail import AuditTrail
from api.auth import SECURITY
from api.conventions.envelope import Envelope
from api.conventions.head_requests import HeadRequests
from api.conventions.idempotency import Idempotency
from api.conventions.query_parameters import KNOWN_PARAMETERS
from api.conventions.shared_state import SharedState
from api.conventions.time_limits import TimeLimits
from api.docs import mount_docs
from api.domains import Domains
from api.erasures import Erasures
from api.errors import handle_errors
from api.events import Clock
from api.links import Links
from api.messages.service import Messages
from api.metrics import Measurement, Metrics
from api.recipient_forms import RecipientForms
from api.recipients import Recipients
from api.routes import (
    app_clicks,
    audit,
    bulk,
    clickers,
    clicks_export,
    dead_letters,
    domains,
    erasures,
    explain,
    imports,
    keys,
    labels,
    ledger,
    links,
    qr,
    recipients,
    reclassifications,
    sms,
    sms_templates,
    stats,
    tenants,
    webhooks,
)
from api.services import Services
from api.webhooks import Webhooks
from edge.contract import LinkStore, Settings
from ingest.contract import (
    Catalogue,
    Explainer,
    Outbox,
    RecipientKeys,
    Warehouse,
    recipient_keys_path,
)

VERSION = "1.0.0"
_DESCRIPTION = (
    "Make links, mint a code for each recipient, see who clicked."
    " Every call needs a service key; every error is an RFC 9457 problem."
    " Each GET may be asked as HEAD, for its status and headers alone."
    " A query parameter that a call does not list is refused with 422, as is one that comes twice;"
    " calls marked `x-extra-parameters` pass over what they do not know, as the vendor's do."
)


def now_ms() -> int:
    """Unix time in ms: the clock of a running program."""
    return time.time_ns() // 1_000_000


def build_routes() -> FastAPI:
    """All routes and their document, with nothing behind them yet."""
    app = FastAPI(
        title="Smart Links API",
        version=VERSION,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    for module in (
        domains,
        links,
        bulk,
        imports,
        labels,
        qr,
        recipients,
        clickers,
        clicks_export,
        explain,
        stats,
        keys,
        tenants,
        audit,
        sms,
        sms_templates,
        webhooks,
        app_clicks,
        ledger,
        dead_letters,
        erasures,
        reclassifications,
    ):
        app.include_router(module.router, dependencies=[*SECURITY, KNOWN_PARAMETERS])
    mount_docs(app)
    handle_errors(app)
    return app


def build_app(
    *,
    settings: Settings,
    access: Access,
    shared_state: SharedState,
    audit_log: AuditLog,
    link_store: LinkStore,
    warehouse: Warehouse,
    outbox: Outbox,
    metrics: Metrics,
    clock: Clock = now_ms,
) -> FastAPI:
    """The ASGI application. It owns nothing of what it is given; `outbox` has recovered by then."""
    app = build_routes()
    catalogue = Catalogue(warehouse)
    domain_service = Domains(
        default_domain=settings.default_domain,
        link_store=link_store,
        catalogue=catalogue,
        outbox=outbox,
        clock=clock,
    )
    link_service = Links(
        domains=domain_service,
        link_store=link_store,
        catalogue=catalogue,
        outbox=outbox,
        clock=clock,
    )
    recipient_keys = RecipientKeys(recipient_keys_path(settings.data_dir))
    recipient_service = Recipients(
        links=link_service,
        link_store=link_store,
        catalogue=catalogue,
        forms=RecipientForms(warehouse, recipient_keys),
        outbox=outbox,
        clock=clock,
        on_minted=metrics.codes_minted.inc,
    )
    app.state.services = Services(
        access=access,
        audit_log=audit_log,
        domains=domain_service,
        links=link_service,
        recipients=recipient_service,
        messages=Messages.assemble(
            settings=settings,
            domains=domain_service,
            recipients=recipient_service,
            link_store=link_store,
            catalogue=catalogue,
            outbox=outbox,
            warehouse=warehouse,
            metrics=metrics.messages,
            clock=clock,
        ),
        webhooks=Webhooks(warehouse, settings.outbound_networks, clock),
        app_clicks=AppClicks(
            spool_dir=settings.spool_dir,
            retention_days=settings.retention_days,
            domains=domain_service,
            link_store=link_store,
            warehouse=warehouse,
            clock=clock,
        ),
        catalogue=catalogue,
        warehouse=warehouse,
        erasures=Erasures(
            warehouse=warehouse,
            outbox=outbox,
            keys=recipient_keys,
            clock=clock,
        ),
        spool_dir=settings.spool_dir,
        explainer=Explainer(data_dir=settings.data_dir, geoip_path=settings.geoip_path, warehouse=warehouse),
        metrics=metrics,
        clock=clock,
    )
    # The last one added is the outermost.
    app.add_middleware(AuditTrail, audit_log=audit_log, clock=clock)
    app.add_middleware(Idempotency, shared_state=shared_state)
    app.add_middleware(RateLimiting, rate_limits=access.rate_limits)
    app.add_middleware(
        Authentication,
        key_ring=access.key_ring,
        tokens=access.tokens,
        trusted_proxies=access.trusted_proxies,
    )
    app.add_middleware(TimeLimits)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PATCH", "PUT", "DELETE"],
            allow_headers=[
                "Authorization",
                "Key",
                "Content-Type",
                "Idempotency-Key",
                "If-Match",
                "X-Request-Id",
            ],
            expose_headers=[
                "ETag",
                "Location",
                "RateLimit",
                "RateLimit-Policy",
                "Retry-After",
                "X-Request-Id",
            ],
        )
    app.add_middleware(VendorShape)
    app.add_middleware(HeadRequests)
    app.add_middleware(Measurement, metrics=metrics)
    app.add_middleware(Envelope)
    return app
