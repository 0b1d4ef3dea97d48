"""Short names for what most routes need of `api.access`."""

from api.access.admin_key import KEY_FILE, admin_key
from api.access.callers import SECURITY, Caller, CallerOf, Tenant
from ingest.contract import DEFAULT_TENANT

__all__ = ["DEFAULT_TENANT", "KEY_FILE", "SECURITY", "Caller", "CallerOf", "Tenant", "admin_key"]
