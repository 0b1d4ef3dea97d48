"""Asks Redis which link holds a code, in the bucket where it stands, even while buckets are split in two.

`edge/code_layout.py` has the invariants. What is asked, or not found, while the layout may have changed is
held until the new one is known, and then asked by that.
"""

from collections.abc import Callable
from typing import Any, Final

from edge.code_layout import LAYOUT_KEY, CodeLayout
from edge.redis_pipeline import RedisDoubtError, RedisPipeline, encode_command

_GET_LAYOUT: Final = encode_command(b"GET", LAYOUT_KEY)
_FIND_IN_TWO: Final = b"return redis.call('HGET', KEYS[1], ARGV[1]) or redis.call('HGET', KEYS[2], ARGV[1])"


class CodeFinder:
    """Of one connection. `on_number` is called with each field asked for and the reply, once it counts."""

    def __init__(self, pipeline: RedisPipeline, on_number: Callable[[bytes, object], None]) -> None:
        self._pipeline = pipeline
        self._on_number = on_number
        self._layout = CodeLayout()
        self._layouts_asked = 0  # while it is not 0, no code's bucket is known
        self._held: list[bytes] = []
        self.ask_layout()

    def ask_layout(self) -> None:
        """Ask in how many buckets the codes stand: at first, and whenever that may have changed."""
        self._layouts_asked += 1
        self._pipeline.send(_GET_LAYOUT, self._on_layout, None)

    def ask(self, field: bytes) -> None:
        """Ask which link holds the code with this field (`edge.codes.code_field`)."""
        if self._layouts_asked:
            self._held.append(field)
            return
        layout = self._layout
        if layout.is_splitting:
            command = encode_command(b"EVAL", _FIND_IN_TWO, b"2", *layout.keys(field), field)
        else:
            key = layout.key(field)
            command = b"*3\r\n$4\r\nHGET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(key), key, len(field), field)
        self._pipeline.send(command, self._on_reply, field)

    def _on_reply(self, field: bytes, reply: object) -> None:
        if reply is None and self._layouts_asked:
            self._held.append(field)  # it may have moved before it was asked for
        else:
            self._on_number(field, reply)

    def _on_layout(self, _key: None, reply: Any) -> None:
        self._layouts_asked -= 1
        if self._layouts_asked:
            return
        try:
            self._layout = CodeLayout.from_bytes(reply)
        except ValueError as error:
            raise RedisDoubtError(str(error)) from error
        held, self._held = self._held, []
        for field in held:
            self.ask(field)
