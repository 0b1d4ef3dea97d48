"""Finds the system that runs on this machine, by the same settings that started it."""

from dataclasses import dataclass
from pathlib import Path

from deploy.standalone import city_database, data_dir, redis_server, service_key
from deploy.standalone.ports import reachable
from edge.contract import PREFIX, Settings


class NotRunningError(Exception):
    """There is nothing to fill; the text is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class RunningSystem:
    """What the demo needs of it.

    `settings` are those that its programs got; by the databases in `city_folder` it locates addresses.
    """

    settings: Settings
    api_url: str
    edge_url: str
    key: str
    city_folder: Path


def find(settings: Settings) -> RunningSystem:
    """Raises `NotRunningError`."""
    folder = settings.data_dir.absolute()
    if settings.events_url is not None:
        raise NotRunningError(f"The demo fills a system on one machine: unset {PREFIX}EVENTS_URL")
    if not data_dir.is_running(folder):
        raise NotRunningError(f"Nothing runs on {folder}: start it with `make run` in another terminal")
    key = service_key.find(settings)
    if key is None:
        raise NotRunningError(
            f"No service key in {service_key.path(settings)}: wait until `make run` says ready"
        )
    city_folder = settings.geoip_path or city_database.default_path()
    if city_folder is None or not Path(city_folder).is_dir():
        raise NotRunningError(
            "The demo draws addresses from the city database of DB-IP, which is not installed"
        )
    return RunningSystem(
        settings=settings.model_copy(
            update={"data_dir": folder, "redis_url": settings.redis_url or redis_server.url(folder)}
        ),
        api_url=f"http://{reachable(settings.api_host)}:{settings.api_port}",
        edge_url=f"http://{reachable(settings.edge_host)}:{settings.edge_port}",
        key=key,
        city_folder=Path(city_folder),
    )
