"""What a worker keeps of Redis beside links and codes: whether it is whole, and the domains.

A Redis without the key `links` was emptied and is not filled again yet. What it does not have may be in the
catalogue, so nothing is taken from it for gone; the domains stay as they were, too.
"""

import logging
from collections.abc import Callable
from typing import Any, Protocol

from edge.codes import SHARED_KEYS, SharedKeys
from edge.domains import Domains
from edge.redis_pipeline import OnReply, RedisDoubtError, encode_command

_log = logging.getLogger(__name__)


class Sender(Protocol):
    """Sends commands on the shared keys."""

    def send(self, command: bytes, on_reply: OnReply, key: object) -> None: ...


class RedisState:
    """Kept over connections. `on_whole` is called when all that was known before counts no more."""

    def __init__(
        self, domains: Domains, on_whole: Callable[[], None], keys: SharedKeys = SHARED_KEYS
    ) -> None:
        self._ask_is_whole = encode_command(b"EXISTS", keys.last_number)
        self._ask_for_domains = encode_command(b"HGETALL", keys.domains)
        self.is_whole = True
        self._domains = domains
        self._on_whole = on_whole
        self._pipeline: Sender | None = None
        self._domains_changed = False

    def expect(self) -> None:
        """A new connection is being made: news that come with its handshake count from now on."""
        self._pipeline = None
        self._domains_changed = False

    def begin(self, pipeline: Sender, is_whole: object, documents: object) -> None:
        """The connection stands; `is_whole` and `documents` are its replies to EXISTS and HGETALL."""
        self._pipeline = pipeline
        if is_whole == 1:
            self.is_whole = True
            self._on_whole()
        else:
            self.note_emptied()
        self._on_domains(None, documents)
        if self._domains_changed:
            self.ask_domains()

    def ask_again(self, sender: Sender) -> None:
        """Connections were made anew: ask for all of it, by `sender`, from now on."""
        self._pipeline = sender
        self.ask_whether_whole(sender)
        self.ask_domains()

    def note_emptied(self) -> None:
        if self.is_whole:
            _log.warning("Redis is empty: until it is filled, codes that it does not have answer 503")
        self.is_whole = False

    def ask_whether_whole(self, pipeline: Sender) -> None:
        pipeline.send(self._ask_is_whole, self._on_is_whole, None)

    def ask_domains(self) -> None:
        if self._pipeline is None:
            self._domains_changed = True  # within the handshake
        else:
            self._pipeline.send(self._ask_for_domains, self._on_domains, None)

    def _on_is_whole(self, _key: None, reply: object) -> None:
        if reply not in {0, 1}:
            raise RedisDoubtError(f"EXISTS was answered by {type(reply).__name__}")
        if reply == 0:
            self.note_emptied()
        elif not self.is_whole:
            self.is_whole = True
            self._on_whole()
            self.ask_domains()
            _log.info("Redis is filled again")

    def _on_domains(self, _key: None, reply: Any) -> None:
        if type(reply) is not dict:
            raise RedisDoubtError(f"the domains came as {type(reply).__name__}")
        if self.is_whole:
            self._domains.load(reply)
