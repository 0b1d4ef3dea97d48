"""The city database that the bootstrap fetches: used where SMARTLINKS_GEOIP_PATH is unset."""

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "data" / "node_modules" / "@ip-location-db" / "dbip-city-mmdb"
ATTRIBUTION: Final = "IP Geolocation by DB-IP (https://db-ip.com), CC BY 4.0"


def default_path() -> str | None:
    """The folder of its two files, one for IPv4 and one for IPv6; None where it was not fetched."""
    return str(FOLDER) if any(FOLDER.glob("*.mmdb")) else None
