"""One bound connection to an SMSC by SMPP 3.4, over the PDUs of aiosmpplib.

The library's own client is not used: it ends the connection at every status that is not in its table, keeps
each sent message in memory for three days, and cuts GSM-7 texts by characters where septets count.
"""

import asyncio
import struct
from typing import Final, Self

from aiosmpplib import BindTransmitter, EnquireLink, SmppCommand, SmppCommandStatus, SubmitSm
from aiosmpplib.protocol import DeliverSmResp, EnquireLinkResp, SmppMessage, Unbind, UnbindResp

from api.messages.gateway import GatewayAddress, GatewayRefusedError, GatewayUnavailableError

CONNECT_WITHIN_S: Final = 10.0
ANSWER_WITHIN_S: Final = 10.0
ENQUIRE_EVERY_S: Final = 30.0
_HEADER: Final = struct.Struct("!IIII")
_MAX_PDU_BYTES: Final = 128 * 1024
_MAX_SEQUENCE: Final = 0x7FFFFFFF
_RESPONSE: Final = 0x80000000
_OK: Final = 0
# After these the same message may be taken later.
_PASSING: Final = frozenset(
    {
        SmppCommandStatus.ESME_RTHROTTLED,
        SmppCommandStatus.ESME_RMSGQFUL,
        SmppCommandStatus.ESME_RSYSERR,
        SmppCommandStatus.ESME_RINVBNDSTS,
    }
)


class SmppSession:
    """Bound as a transmitter from `open` until `close`, or until the connection breaks (`is_closed`)."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, window: int, enquire_every_s: float
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._window = asyncio.Semaphore(window)
        self._enquire_every_s = enquire_every_s
        self._sequence = 0
        self._asked: dict[int, asyncio.Future[tuple[int, bytes]]] = {}
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._enquire())]

    @classmethod
    async def open(cls, address: GatewayAddress, *, enquire_every_s: float = ENQUIRE_EVERY_S) -> Self:
        """Connect and bind. Raises `GatewayUnavailableError`."""
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                reader, writer = await asyncio.open_connection(address.host, address.port)
        except (OSError, TimeoutError) as error:
            raise GatewayUnavailableError(f"the SMSC can't be reached: {str(error) or 'no answer'}") from None
        session = cls(reader, writer, address.window, enquire_every_s)
        try:
            status, _ = await session._ask(BindTransmitter(system_id=address.user, password=address.password))
        except GatewayUnavailableError:
            await session.close()
            raise
        if status != _OK:
            await session.close()
            raise GatewayUnavailableError(f"the SMSC refuses the bind: {_name(status)}")
        return session

    @property
    def is_closed(self) -> bool:
        return self._writer.is_closing()

    async def submit(self, message: SubmitSm) -> str:
        """The SMSC's id of the message. Raises `GatewayRefusedError`, `GatewayUnavailableError`."""
        async with self._window:
            status, body = await self._ask(message)
        if status == _OK:
            return body.partition(b"\0")[0].decode("ascii", "replace")
        if status in _PASSING:
            raise GatewayUnavailableError(f"the SMSC can't take it now: {_name(status)}")
        raise GatewayRefusedError(f"the SMSC refuses it: {_name(status)}")

    async def close(self) -> None:
        """Unbind where that is still possible, and hang up."""
        if not self.is_closed:
            self._write(Unbind(), self._next_sequence())
        self._hang_up()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ask(self, message: SmppMessage) -> tuple[int, bytes]:
        """Status and body of the answer. Raises `GatewayUnavailableError` where none comes."""
        if self.is_closed:
            raise GatewayUnavailableError("the SMSC hung up")
        sequence = self._next_sequence()
        answer = self._asked[sequence] = asyncio.get_running_loop().create_future()
        try:
            self._write(message, sequence)
            async with asyncio.timeout(ANSWER_WITHIN_S):
                found: tuple[int, bytes] = await answer
                return found
        except TimeoutError:
            self._hang_up()  # what comes later would be taken for another's answer
            raise GatewayUnavailableError("the SMSC does not answer") from None
        finally:
            del self._asked[sequence]

    def _next_sequence(self) -> int:
        self._sequence = self._sequence % _MAX_SEQUENCE + 1
        return self._sequence

    def _write(self, message: SmppMessage, sequence: int) -> None:
        message.sequence_num = sequence
        self._writer.write(message.pdu())

    def _hang_up(self) -> None:
        self._writer.close()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(GatewayUnavailableError("the SMSC hung up"))

    async def _read(self) -> None:
        try:
            while True:
                length, command, status, sequence = _HEADER.unpack(
                    await self._reader.readexactly(_HEADER.size)
                )
                if not _HEADER.size <= length <= _MAX_PDU_BYTES:
                    return
                body = await self._reader.readexactly(length - _HEADER.size)
                if command & _RESPONSE:
                    answer = self._asked.get(sequence)
                    if answer is not None and not answer.done():
                        answer.set_result((status, body))
                elif not self._answer(command, sequence):
                    return
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            self._hang_up()

    def _answer(self, command: int, sequence: int) -> bool:
        """Answer what the SMSC asks; False where it wants to end the session."""
        if command == SmppCommand.ENQUIRE_LINK:
            self._write(EnquireLinkResp(), sequence)
        elif command == SmppCommand.DELIVER_SM:
            self._write(DeliverSmResp(), sequence)
        elif command == SmppCommand.UNBIND:
            self._write(UnbindResp(), sequence)
            return False
        return True

    async def _enquire(self) -> None:
        """Notice a connection that is dead without having said so."""
        while True:
            await asyncio.sleep(self._enquire_every_s)
            try:
                await self._ask(EnquireLink())
            except GatewayUnavailableError:
                return


def _name(status: int) -> str:
    try:
        return f"{SmppCommandStatus(status).name} (0x{status:08X})"
    except ValueError:
        return f"status 0x{status:08X}"
