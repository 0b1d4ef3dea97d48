"""What other folders may use of the API. Nothing else of it is imported from outside."""

from api.auth import admin_key
from api.program import run

__all__ = ["admin_key", "run"]
