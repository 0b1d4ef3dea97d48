"""What a caller may do: scopes, the roles that people have, and the one table of what each call needs."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from ingest.contract import Role

Scope = Literal["system", "admin", "edit", "send", "report", "click"]
"""`system` is the first service key's alone: tenants, and what spans them. `admin` opens all of a tenant."""

GrantableScope = Literal["admin", "edit", "send", "report", "click"]

ROLE_SCOPES: Final[dict[Role, frozenset[Scope]]] = {
    "admin": frozenset({"admin"}),
    "editor": frozenset({"edit", "send", "report"}),
    "viewer": frozenset({"report"}),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """A call and the scopes that open it. In `path`, `*` is one segment, and a last `**` is any rest."""

    method: str
    path: str
    scopes: frozenset[Scope]

    def matches(self, method: str, path: str) -> bool:
        return self.method in {method, "*"} and _pattern(self.path).fullmatch(path) is not None


@lru_cache(maxsize=256)
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.escape(path).replace(r"\*\*", ".*").replace(r"\*", "[^/]+"), re.DOTALL)


def _rule(method: str, path: str, *scopes: Scope) -> Rule:
    return Rule(method, path, frozenset(scopes))


# The first that matches counts. What none matches needs `admin`: a new call is closed until it is named.
RULES: Final = (
    _rule("*", "/v1/tenants**", "system"),
    _rule("*", "/v1/ledger**", "system"),
    _rule("*", "/v1/dead-letters**", "system"),
    _rule("*", "/v1/reclassifications**", "system"),
    _rule("POST", "/v1/clicks", "admin", "click"),
    _rule("POST", "/v1/sms/messages", "admin", "send"),
    _rule("GET", "/v1/sms/**", "admin", "send", "report"),
    _rule("POST", "/v1/links/*/recipients", "admin", "edit", "send"),
    _rule("POST", "/v1/links/*/explain", "admin", "edit", "report"),
    _rule("GET", "/v1/links", "admin", "edit", "send", "report"),
    _rule("GET", "/v1/links/*", "admin", "edit", "send", "report"),
    _rule("GET", "/v1/links/*/qr", "admin", "edit", "send", "report"),
    _rule("GET", "/v1/links**", "admin", "edit", "report"),
    _rule("*", "/v1/links**", "admin", "edit"),
    _rule("POST", "/v1/imports", "admin", "edit"),
    _rule("GET", "/v1/campaigns", "admin", "edit", "send", "report"),
    _rule("GET", "/v1/tags", "admin", "edit", "send", "report"),
    _rule("GET", "/v1/campaigns/**", "admin", "edit", "report"),
    _rule("GET", "/v1/domains**", "admin", "edit", "send", "report"),
    _rule("GET", "/v1/stats**", "admin", "edit", "report"),
    _rule("GET", "/v1/clicks**", "admin", "edit", "report"),
    _rule("GET", "/v1/recipients**", "admin", "edit", "report"),
)
_ADMIN_ONLY: Final[frozenset[Scope]] = frozenset({"admin"})


def scopes_for(method: str, path: str) -> frozenset[Scope]:
    """The scopes of which one is needed for this call. A HEAD needs what its GET needs."""
    asked = "GET" if method == "HEAD" else method
    return next((rule.scopes for rule in RULES if rule.matches(asked, path)), _ADMIN_ONLY)
