"""What other folders may use of the edge. Nothing else of it is imported from outside."""

from edge.clicks import SIGNAL_HEADERS, Outcome, Route
from edge.codes import (
    CUSTOM,
    SUFFIX,
    generate,
    generate_many,
)
from edge.links import EdgeLink
from edge.linkstore import LinkStore, LinkStoreUnavailableError
from edge.settings import PREFIX, Settings, SettingsError, load

__all__ = [
    "CUSTOM",
    "PREFIX",
    "SIGNAL_HEADERS",
    "SUFFIX",
    "EdgeLink",
    "LinkStore",
    "LinkStoreUnavailableError",
    "Outcome",
    "Route",
    "Settings",
    "SettingsError",
    "generate",
    "generate_many",
    "load",
]
