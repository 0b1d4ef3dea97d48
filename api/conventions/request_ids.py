"""The id of the request that is being answered: in its answer, its problems and every line of the log."""

import logging
import re
import secrets
from contextvars import ContextVar
from typing import Final

HEADER: Final = "X-Request-Id"

_ACCEPTED: Final = re.compile(r"[A-Za-z0-9._~:/+=-]{1,128}\Z")
_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def begin_request(offered: str | None) -> str:
    """The id of a request that begins: the one it came with, if that is one, else a fresh one."""
    request_id = (
        offered if offered is not None and _ACCEPTED.match(offered) else f"req_{secrets.token_hex(12)}"
    )
    _current.set(request_id)
    return request_id


def current_request_id() -> str | None:
    """None outside of a request."""
    return _current.get()


class RequestIdFilter(logging.Filter):
    """Ends each log message of a request with the request's id."""

    def filter(self, record: logging.LogRecord) -> bool:
        request_id = _current.get()
        if request_id is not None and not hasattr(record, "request_id"):
            record.request_id = request_id
            record.msg = f"{record.getMessage()} [{request_id}]"
            record.args = None
        return True


def log_request_ids() -> None:
    """Let all handlers of this process do so. Does nothing the second time."""
    for handler in logging.getLogger().handlers:
        if not any(isinstance(each, RequestIdFilter) for each in handler.filters):
            handler.addFilter(RequestIdFilter())
