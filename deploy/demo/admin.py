"""The demo's use of the API: make links, mint codes, read reports."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Self

import aiohttp

_BATCH: Final = 1_000


class AdminError(Exception):
    """The API refused; the text is its own reason."""


class Admin:
    """Owns its session; use it as an async context."""

    def __init__(self, base_url: str, key: str) -> None:
        self._session = aiohttp.ClientSession(base_url, headers={"Authorization": f"Bearer {key}"})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def make_link(self, body: dict[str, object]) -> dict[str, Any]:
        return await self._ask("POST", "/v1/links", json=body)

    async def mint(self, link_id: str, recipients: Sequence[str]) -> list[str]:
        """The short URL of each recipient, in order."""
        short_urls: list[str] = []
        for start in range(0, len(recipients), _BATCH):
            body = {"recipients": [{"recipient": each} for each in recipients[start : start + _BATCH]]}
            minted = await self._ask("POST", f"/v1/links/{link_id}/recipients", json=body)
            short_urls += [code["short_url"] for code in minted["data"]]
        return short_urls

    async def stats(
        self, link_id: str | None, since: datetime, until: datetime, by: Sequence[str]
    ) -> dict[str, Any]:
        """The report on a link, by day in UTC; on all of the tenant's where it is None."""
        path = "/v1/stats" if link_id is None else f"/v1/links/{link_id}/stats"
        query = {"from": since.isoformat(), "to": until.isoformat(), "interval": "day", "timezone": "UTC"}
        return await self._ask("GET", path, params={**query, **({"by": ",".join(by)} if by else {})})

    async def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        async with self._session.request(method, path, **options) as answer:
            body: dict[str, Any] = await answer.json(content_type=None)
        if answer.status >= 400:
            raise AdminError(f"{method} {path} answered {answer.status}: {body.get('detail') or body}")
        return body
