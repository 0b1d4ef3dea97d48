"""A gateway by SMPP 3.4: one bound connection, made anew when it breaks; long messages in parts."""

import asyncio
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from aiosmpplib import NPI, TON, PhoneNumber, SubmitSm
from aiosmpplib.codec import find_codec_info
from aiosmpplib.state import OptionalParam

from api.fields import instant_of
from api.messages.dlt import DltTags
from api.messages.encoding import cut_segments
from api.messages.gateway import GatewayAddress, GatewayRefusedError, GatewayUnavailableError
from api.messages.message import Message
from api.messages.smpp_session import ENQUIRE_EVERY_S, SmppSession

if TYPE_CHECKING:
    from api.messages.gateway import Gateway

CONNECT_EVERY_S: Final = 1.0
_USER_DATA_HEADER: Final = 0b01000000  # flag of esm_class
_PART_OCTETS: Final = 134
_INTERNATIONAL_DIGITS: Final = 9  # shorter ones are short codes of a network
_DIGITS: Final = re.compile(r"\+?([0-9]+)\Z")
# Of each encoding the library's name, by which it also knows the data_coding: 0, 8 and 4.
_CODINGS: Final = {"GSM-7": "gsm0338", "UCS-2": "ucs2", "8-bit": "octet_unspecified_II"}


class SmppGateway:
    """`Gateway` at `smpp://system_id:password@host:2775?window=10`."""

    def __init__(self, address: GatewayAddress, *, enquire_every_s: float = ENQUIRE_EVERY_S) -> None:
        self.in_flight = address.window
        self._address = address
        self._enquire_every_s = enquire_every_s
        self._session: SmppSession | None = None
        self._opening = asyncio.Lock()
        self._opens_at_s = 0.0

    async def send(self, message: Message) -> str:
        """See `Gateway.send`. The id is that of the first part."""
        parts = list(parts_of(message, self._address.dlt_tags))
        session = await self._open()
        ids = [await session.submit(part) for part in parts]
        return ids[0]

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _open(self) -> SmppSession:
        async with self._opening:
            if self._session is None or self._session.is_closed:
                loop = asyncio.get_running_loop()
                if loop.time() < self._opens_at_s:
                    raise GatewayUnavailableError("the SMSC was not to be reached a moment ago")
                self._opens_at_s = loop.time() + CONNECT_EVERY_S
                if self._session is not None:
                    await self._session.close()
                self._session = await SmppSession.open(self._address, enquire_every_s=self._enquire_every_s)
            return self._session


def parts_of(message: Message, dlt_tags: DltTags) -> Iterator[SubmitSm]:
    """The PDUs of a message: one, or one a segment with a user data header (3GPP TS 23.040, 9.2.3.24.1).

    Raises `GatewayRefusedError`.
    """
    payloads = list(_payloads(message))
    try:
        parameters = dlt_tags.parameters(message.dlt_template_id)
    except ValueError as error:
        raise GatewayRefusedError(str(error)) from None
    # The same in every attempt, so that a phone which has some parts already joins them with the others.
    reference = int(message.id[-2:], 16)
    for number, payload in enumerate(payloads, 1):
        part = SubmitSm(
            short_message="-",  # what counts is set below, as octets
            source=_source(message.sender),
            destination=PhoneNumber(message.recipient.removeprefix("+"), TON.INTERNATIONAL, NPI.ISDN),
            esm_class=_USER_DATA_HEADER if len(payloads) > 1 else 0,
            validity_period=instant_of(message.expires_at_ms),
            registered_delivery=0,
            encoding=_CODINGS[message.encoding],
            optional_params=[OptionalParam(tag, value) for tag, value in parameters.items()],
        )
        header = bytes((5, 0, 3, reference, len(payloads), number)) if len(payloads) > 1 else b""
        part.set_encoded_message(header + payload)
        yield part


def _payloads(message: Message) -> Iterator[bytes]:
    if message.encoding == "8-bit":
        octets = bytes.fromhex(message.content)
        size = len(octets) if message.segments == 1 else _PART_OCTETS
        yield from (octets[at : at + size] for at in range(0, len(octets), size))
        return
    codec = find_codec_info(_CODINGS[message.encoding])
    for text in cut_segments(message.content, message.encoding):
        yield codec.encode(text)[0]


def _source(sender: str) -> PhoneNumber:
    digits = _DIGITS.match(sender)
    if digits is None:
        return PhoneNumber(sender, TON.ALPHANUMERIC, NPI.UNKNOWN)
    if len(digits[1]) < _INTERNATIONAL_DIGITS:
        return PhoneNumber(digits[1], TON.NETWORK_SPECIFIC, NPI.UNKNOWN)
    return PhoneNumber(digits[1], TON.INTERNATIONAL, NPI.ISDN)


if TYPE_CHECKING:

    def _fits(gateway: SmppGateway) -> Gateway:
        return gateway
