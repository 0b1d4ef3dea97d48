"""Asks Redis which links hold codes, in the buckets where they stand, even while buckets are split in two.

`edge/code_layout.py` has the invariants. What is asked, or not found, while the layout may have changed is
held until the new one is known, and then asked by that.
"""

from collections.abc import Callable
from typing import Any, Final

from edge.code_layout import LAYOUT_KEY, CodeLayout
from edge.redis_pipeline import RedisDoubtError, RedisPipeline, encode_command

_GET_LAYOUT: Final = encode_command(b"GET", LAYOUT_KEY)
_FIND_IN_TWO: Final = b"return redis.call('HGET', KEYS[1], ARGV[1]) or redis.call('HGET', KEYS[2], ARGV[1])"

_LENGTHS: Final = [b"$%d\r\n" % length for length in range(64)]

OnNumbers = Callable[[list[bytes], list[Any]], None]


class CodeFinder:
    """Of one connection. `on_numbers` is called with fields asked for and their replies, once these count."""

    def __init__(self, pipeline: RedisPipeline, on_numbers: OnNumbers) -> None:
        self._pipeline = pipeline
        self._on_numbers = on_numbers
        self._layout = CodeLayout()
        self._layouts_asked = 0  # while it is not 0, no code's bucket is known
        self._held: list[bytes] = []
        self.ask_layout()

    def ask_layout(self) -> None:
        """Ask in how many buckets the codes stand: at first, and whenever that may have changed."""
        self._layouts_asked += 1
        self._pipeline.send(_GET_LAYOUT, self._on_layout, None)

    def ask(self, fields: list[bytes]) -> None:
        """Ask which links hold the codes with these fields (`edge.codes.code_field`), by one write."""
        if self._layouts_asked:
            self._held += fields
        elif fields:
            self._pipeline.send_many(self._commands(fields), self._on_replies, fields)

    def _commands(self, fields: list[bytes]) -> bytes:
        layout = self._layout
        if layout.is_splitting:
            script = (b"EVAL", _FIND_IN_TWO, b"2")
            return b"".join([encode_command(*script, *layout.keys(field), field) for field in fields])
        return b"".join([hget(layout.key(field), field) for field in fields])

    def _on_replies(self, fields: list[bytes], replies: list[Any]) -> None:
        if self._layouts_asked and None in replies:
            pairs = list(zip(fields, replies, strict=True))
            self._held += [field for field, reply in pairs if reply is None]  # it may have moved before
            fields = [field for field, reply in pairs if reply is not None]
            replies = [reply for _, reply in pairs if reply is not None]
        self._on_numbers(fields, replies)

    def _on_layout(self, _key: None, reply: Any) -> None:
        self._layouts_asked -= 1
        if self._layouts_asked:
            return
        try:
            self._layout = CodeLayout.from_bytes(reply)
        except ValueError as error:
            raise RedisDoubtError(str(error)) from error
        held, self._held = self._held, []
        self.ask(held)


def hget(key: bytes, field: bytes) -> bytes:
    """The command that asks for a field of a hash."""
    return b"*3\r\n$4\r\nHGET\r\n%b%b\r\n%b%b\r\n" % (_length(key), key, _length(field), field)


def _length(word: bytes) -> bytes:
    length = len(word)
    return _LENGTHS[length] if length < len(_LENGTHS) else b"$%d\r\n" % length
