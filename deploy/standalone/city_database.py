"""The address databases that the bootstrap fetches: used where SMARTLINKS_GEOIP_PATH is unset."""

from pathlib import Path
from typing import Final

DATABASES: Final = Path(__file__).parent / "data" / "node_modules" / "@ip-location-db"
FOLDER: Final = DATABASES / "dbip-city-mmdb"
ATTRIBUTION: Final = "Places by DB-IP (https://db-ip.com), networks by RouteViews and DB-IP, CC BY 4.0"


def databases_path() -> str | None:
    """The folder of what was fetched of places and of networks; None where nothing was."""
    return str(DATABASES) if default_path() or any(DATABASES.glob("asn/*.csv")) else None


def default_path() -> str | None:
    """The folder of the city database's two files, for IPv4 and IPv6; None where it was not fetched."""
    return str(FOLDER) if any(FOLDER.glob("*.mmdb")) else None
