"""A client of the API: `Client` for plain Python, `AsyncClient` for asyncio. Needs aiohttp and orjson alone.

    with Client("http://127.0.0.1:8000", key) as client:
        link = client.make_link(destination_url="https://www.example.com/", tags=["sms"])
        for minted in client.mint(link["id"], ({"recipient": number} for number in numbers)):
            print(minted["short_url"])

Whatever is many is streamed: lines are sent as their iterator gives them and verdicts come as the server has
them, in constant memory. What the API answers with a problem is raised as `ApiError`.
"""

from api.client.answers import ClickedRecipient, Json, Link, MintedCode, Page, Stats, Verdict
from api.client.async_client import AsyncClient
from api.client.client import Client
from api.client.errors import ApiError, ClientError, UnreachableError

__all__ = [
    "ApiError",
    "AsyncClient",
    "ClickedRecipient",
    "Client",
    "ClientError",
    "Json",
    "Link",
    "MintedCode",
    "Page",
    "Stats",
    "UnreachableError",
    "Verdict",
]
