"""The edge inside another program's loop: the same worker, with a clock of the caller's choice."""

import asyncio
from collections.abc import Callable

from edge.redis_address import RedisURLError, parse_redis_url
from edge.settings import PREFIX, Settings, SettingsError
from edge.worker import OnReadiness, serve_worker, wall_clock_ms
from edge.worker_settings import WorkerSettings


def worker_settings(settings: Settings, *, host: str, port: int) -> WorkerSettings:
    """What a worker needs of the settings. Raises `SettingsError` where it can't work by them."""
    if settings.redis_url is None:
        raise SettingsError(
            f"{PREFIX}REDIS_URL is not set: set it, or use `make run`, which starts a Redis of its own"
        )
    try:
        parse_redis_url(settings.redis_url)
    except RedisURLError as error:
        raise SettingsError(f"{PREFIX}REDIS_URL: {error}") from None
    return WorkerSettings(
        redis_url=settings.redis_url,
        spool_dir=settings.spool_dir,
        host=host,
        port=port,
        default_domain=settings.default_domain,
        trusted_proxies=settings.trusted_proxies,
    )


async def serve_edge(
    settings: Settings,
    *,
    host: str,
    port: int,
    stop: asyncio.Event,
    clock_ms: Callable[[], int] = wall_clock_ms,
    on_readiness: OnReadiness = lambda _reason: None,
) -> None:
    """Serve one worker on `host` and `port` in the running loop until `stop` is set, then drain and return.

    `clock_ms` (Unix time in ms) dates clicks and decides on expiry. `on_readiness` is told None once the
    worker listens and Redis answers, else the reason why not. Raises `SettingsError`, and `OSError` where the
    port can't be had.
    """
    await serve_worker(
        worker_settings(settings, host=host, port=port),
        stop=stop,
        clock_ms=clock_ms,
        on_readiness=on_readiness,
    )
