"""Messages as the routes and the program see them, put together once."""

from dataclasses import dataclass
from typing import Self

from api.domains import Domains
from api.events import Clock
from api.messages.acceptance import Acceptor
from api.messages.metrics import MessageMetrics
from api.messages.queue import MessageQueue, read_owner
from api.messages.shortening import Shortening
from api.messages.store import MessageStore
from api.messages.templates import Templates
from api.messages.url_links import UrlLinks
from api.recipients import Recipients
from edge.contract import LinkStore, Settings
from ingest.contract import Catalogue, Outbox, Warehouse


@dataclass(frozen=True, slots=True)
class Messages:
    """Owns none of them."""

    acceptor: Acceptor
    templates: Templates
    store: MessageStore
    queue: MessageQueue
    metrics: MessageMetrics

    @classmethod
    def assemble(
        cls,
        *,
        settings: Settings,
        domains: Domains,
        recipients: Recipients,
        link_store: LinkStore,
        catalogue: Catalogue,
        outbox: Outbox,
        warehouse: Warehouse,
        metrics: MessageMetrics,
        clock: Clock,
    ) -> Self:
        """Without a gateway messages stay in the warehouse, to be read back."""
        queue = MessageQueue(read_owner(settings.data_dir) if settings.sms_gateway_url else "")
        store = MessageStore(warehouse)
        templates = Templates(warehouse, clock)
        url_links = UrlLinks(link_store=link_store, catalogue=catalogue, outbox=outbox, clock=clock)
        acceptor = Acceptor(
            domains=domains,
            shortening=Shortening(domains=domains, url_links=url_links, recipients=recipients),
            templates=templates,
            store=store,
            queue=queue,
            clock=clock,
        )
        return cls(acceptor, templates, store, queue, metrics)
