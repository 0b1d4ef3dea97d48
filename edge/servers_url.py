"""URLs that name many servers: `scheme://[user:password@]host:port,[::1]:port[/path][?query]`.

`urllib.parse.urlsplit` is for one host: it refuses a bracketed one
that others stand before (Python 3.11.4 and later).
"""

from typing import NamedTuple
from urllib.parse import parse_qsl, unquote


class ServersURL(NamedTuple):
    """`user` and `password` are None where the URL has no `@`, and decoded."""

    user: str | None
    password: str | None
    servers: str
    path: str
    parameters: dict[str, str]


def split_servers_url(url: str) -> ServersURL:
    """The parts of the URL; the servers are not looked at."""
    before, _, query = url.partition("://")[2].partition("?")
    netloc, slash, path = before.partition("/")
    credentials, at, servers = netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    return ServersURL(
        user=unquote(user) if at else None,
        password=unquote(password) if at else None,
        servers=servers,
        path=slash + path,
        parameters=dict(parse_qsl(query, keep_blank_values=True)),
    )
