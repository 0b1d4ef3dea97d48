"""SMPP 3.4 against an SMSC of another make: what arrives, what is refused, and what breaks."""

import asyncio
import os
import signal

import pytest

from api.messages.gateway import GatewayRefusedError, GatewayUnavailableError, open_gateway, read_gateway_url
from api.messages.smpp_gateway import SmppGateway
from tests.api.messages.conftest import MakeMessage
from tests.smsc.smsc import Smsc

pytestmark = pytest.mark.needs_smsc

GSM = "@£$¥èéùìòÇ\nØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./09:;<=>?¡AZÄÖÑÜ§¿azäöñüà^{}\\[~]|€"


async def test_what_is_sent_arrives_as_it_was_written(smsc: Smsc, make_message: MakeMessage) -> None:
    gateway = open_gateway(smsc.url)
    texts = [GSM, "你好 😀", "a" * 152 + "€" + "b" * 200, "ж" * 66 + "😀" + "ж" * 80]
    ids = [
        await gateway.send(make_message(text, recipient=f"+44770090010{at}")) for at, text in enumerate(texts)
    ]
    binary = make_message("00ff" * 100, encoding="8-bit", recipient="+447700900109")
    await gateway.send(binary)
    got = await smsc.wait_for(9)
    assert ids == ["id1", "id2", "id3", "id6"]
    for at, text in enumerate(texts):
        parts = [one for one in got if one.to == f"44770090010{at}"]
        assert "".join(part.text for part in parts) == text.replace("\n", "\\n")
        assert {part.data_coding for part in parts} == {"0" if at in {0, 2} else "8"}
        assert len({part.header[6:8] for part in parts}) == 1, "one reference for all parts"
        if len(parts) > 1:
            assert [part.header[8:] for part in parts] == [
                f"{len(parts):02x}{number:02x}" for number in range(1, len(parts) + 1)
            ]
            assert {(part.header[:6], part.esm_class) for part in parts} == {("050003", "64")}
        else:
            assert (parts[0].header, parts[0].esm_class) == ("", "0")
        assert all(len(part.header + part.payload) // 2 <= 160 for part in parts)
    octets = [one for one in got if one.to == "447700900109"]
    assert "".join(one.payload for one in octets) == binary.content
    assert {one.data_coding for one in octets} == {"4"}
    assert {one.validity for one in got} == {"300317184640000+"}
    await gateway.close()


async def test_addresses_say_what_kind_they_are(smsc: Smsc, make_message: MakeMessage) -> None:
    gateway = open_gateway(smsc.url)
    for sender in ("Shop", "12233", "+447700900999"):
        await gateway.send(make_message(sender=sender))
    got = await smsc.wait_for(3)
    assert [(one.source, one.source_ton, one.source_npi) for one in got] == [
        ("Shop", "5", "0"),
        ("12233", "3", "0"),
        ("447700900999", "1", "1"),
    ]
    assert {(one.to, one.to_ton, one.to_npi) for one in got} == {("447700900123", "1", "1")}
    await gateway.close()


async def test_dlt_ids_go_along_as_optional_parameters(smsc: Smsc, make_message: MakeMessage) -> None:
    template = "1107161234567890123"
    entity = "1101456780000012345"
    two_parts = make_message("a" * 200, dlt_template_id=template, recipient="+447700900101")
    for at, query in enumerate(
        ("", f"?dlt_entity_id={entity}", "?dlt_entity_tag=0x1401&dlt_template_tag=0x1400")
    ):
        gateway = open_gateway(smsc.url + query)
        await gateway.send(make_message(dlt_template_id=template, recipient=f"+44770090020{at}"))
        if at == 1:
            await gateway.send(two_parts)
            await gateway.send(make_message(recipient="+447700900102"))
            with pytest.raises(GatewayRefusedError, match="dltTemplateId"):
                await gateway.send(make_message(dlt_template_id="\u0969"))
        await gateway.close()
    by_number: dict[str, list[str]] = {}
    for one in await smsc.wait_for(6):
        by_number.setdefault(one.to, []).append(one.parameters)
    under_1400, under_1401 = (f"140{at}0013{template.encode().hex()}" for at in (0, 1))
    of_entity = f"14000013{entity.encode().hex()}"
    assert by_number == {
        "447700900200": [under_1401],
        "447700900201": [f"{of_entity},{under_1401}"],
        "447700900202": [under_1400],
        "447700900101": [f"{of_entity},{under_1401}"] * 2,
        "447700900102": [of_entity],
    }


@pytest.mark.parametrize(
    "query", ["dlt_entity_tag=0x0424", "dlt_template_tag=one", "dlt_template_tag=0x1400", "dlt_entity_id=%00"]
)
def test_dlt_settings_that_are_none_are_refused(query: str) -> None:
    with pytest.raises(ValueError, match="dlt_"):
        read_gateway_url(f"smpp://smartlink:secret@127.0.0.1?{query}")


async def test_refusals_are_told_from_what_passes(smsc: Smsc, make_message: MakeMessage) -> None:
    gateway = open_gateway(smsc.url)
    with pytest.raises(GatewayRefusedError, match="ESME_RINVDSTADR"):
        await gateway.send(make_message(recipient="+447700900001"))
    with pytest.raises(GatewayRefusedError, match="0x00000455"):
        await gateway.send(make_message(recipient="+447700900002"))
    with pytest.raises(GatewayUnavailableError, match="ESME_RTHROTTLED"):
        await gateway.send(make_message(recipient="+447700900003"))
    assert await gateway.send(make_message(recipient="+447700900003"))
    assert smsc.binds == 1, "no status ends the connection"
    with pytest.raises(GatewayUnavailableError):
        await gateway.send(make_message(recipient="+447700900004"))
    await _send_when_open(gateway, make_message(recipient="+447700900004"))
    assert smsc.binds == 2, "it was made anew"
    await gateway.close()


async def test_many_are_on_their_way_at_once_on_one_connection(smsc: Smsc, make_message: MakeMessage) -> None:
    gateway = open_gateway(f"{smsc.url}?window=5")
    messages = [make_message(str(number), recipient=f"+4477009{number:05d}") for number in range(1100, 1400)]
    ids = await asyncio.gather(*map(gateway.send, messages))
    assert len(set(ids)) == 300
    assert {one.text for one in await smsc.wait_for(300)} == {message.content for message in messages}
    assert smsc.binds == 1
    await gateway.close()


async def test_a_connection_that_is_dead_without_saying_so_is_noticed(
    smsc: Smsc, make_message: MakeMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = SmppGateway(read_gateway_url(smsc.url), enquire_every_s=0.1)
    await gateway.send(make_message())
    monkeypatch.setattr("api.messages.smpp_session.ANSWER_WITHIN_S", 0.5)
    session = gateway._session
    assert session is not None
    os.kill(smsc.process.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(180):
            while not session.is_closed:  # noqa: ASYNC110 - nothing to wait on
                await asyncio.sleep(0.01)
    finally:
        os.kill(smsc.process.pid, signal.SIGCONT)
    monkeypatch.undo()
    await _send_when_open(gateway, make_message())
    await gateway.close()


async def test_a_bind_that_is_refused_leaves_messages_waiting(smsc: Smsc, make_message: MakeMessage) -> None:
    gateway = open_gateway(smsc.url.replace("secret", "wrong"))
    with pytest.raises(GatewayUnavailableError, match="bind"):
        await gateway.send(make_message())
    await gateway.close()


async def _send_when_open(gateway: SmppGateway | object, message: object) -> None:
    """Connections are not tried more often than once a second."""
    async with asyncio.timeout(180):
        while True:
            try:
                await gateway.send(message)  # type: ignore[attr-defined]  # either gateway
            except GatewayUnavailableError:
                await asyncio.sleep(0.05)
            else:
                return
