"""The client for plain Python: the one for asyncio, driven by a loop in a thread of its own."""

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

from api.client.answers import ClickedRecipient, Json, Link, MintedCode, Page, Stats, Verdict
from api.client.async_client import AsyncClient, Records
from api.client.transport import Lines

Value = TypeVar("Value")


class Client:
    """As `AsyncClient`; streams are plain iterators, item by item. Use it as a context manager."""

    def __init__(self, url: str, key: str) -> None:
        self._client = AsyncClient(url, key)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="smartlinks-client", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._client.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._client.__aexit__(kind, error, trace))
        self._run(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, method: str, path: str, body: object = None, **parameters: object) -> Json:
        return self._run(self._client.call(method, path, body, **parameters))

    def items(self, path: str, **parameters: object) -> Iterator[Any]:
        """Everything of a list, page by page."""
        return self._each(self._client.pages(path, **parameters))

    def list_links(self, **parameters: object) -> Page[Link]:
        return self._run(self._client.list_links(**parameters))

    def make_link(self, *, destination_url: str, **fields: object) -> Link:
        return self._run(self._client.make_link(destination_url=destination_url, **fields))

    def upsert_link(self, *, external_id: str, destination_url: str, **fields: object) -> Link:
        return self._run(
            self._client.upsert_link(external_id=external_id, destination_url=destination_url, **fields)
        )

    def read_link(self, link_id: str) -> Link:
        return self._run(self._client.read_link(link_id))

    def change_link(self, link_id: str, **fields: object) -> Link:
        return self._run(self._client.change_link(link_id, **fields))

    def delete_link(self, link_id: str) -> None:
        self._run(self._client.delete_link(link_id))

    def draw_qr_code(self, link_id: str, **parameters: object) -> bytes:
        return self._run(self._client.draw_qr_code(link_id, **parameters))

    def change_links(self, operations: Records) -> Iterator[Verdict]:
        return self._each(self._client.change_links(operations))

    def import_links(
        self,
        lines: Lines,
        *,
        source: str,
        content_type: str = "text/csv",
        domain: str | None = None,
        dry_run: bool = False,
    ) -> Iterator[Verdict]:
        return self._each(
            self._client.import_links(
                lines, source=source, content_type=content_type, domain=domain, dry_run=dry_run
            )
        )

    def mint(self, link_id: str, recipients: Records) -> Iterator[MintedCode]:
        return self._each(self._client.mint(link_id, recipients))

    def who_clicked(
        self, *, link_id: str | None = None, campaign: str | None = None, recipient: str | None = None
    ) -> Iterator[ClickedRecipient]:
        return self._each(self._client.who_clicked(link_id=link_id, campaign=campaign, recipient=recipient))

    def erase_recipient(self, recipient: str) -> Json:
        return self._run(self._client.erase_recipient(recipient))

    def stats(self, link_id: str | None = None, **parameters: object) -> Stats:
        return self._run(self._client.stats(link_id, **parameters))

    def export_clicks(self, link_id: str | None = None, **parameters: object) -> Iterator[bytes]:
        return self._blocks(self._client.export_clicks(link_id, **parameters))

    def _run(self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _blocks(self, stream: AsyncIterator[Value]) -> Iterator[Value]:
        """One hop between the threads a block, however many items it has."""

        async def advance() -> Value | None:
            return await anext(stream, None)

        while (block := self._run(advance())) is not None:
            yield block

    def _each(self, stream: AsyncIterator[list[Value]]) -> Iterator[Value]:
        for block in self._blocks(stream):
            yield from block
