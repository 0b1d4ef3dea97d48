"""QR codes: read back by a decoder that is not the one who drew them."""

import re
import struct
import zlib
from typing import Any

import numpy as np
import zxingcpp

from tests.api.conftest import DOMAIN, RunningApi

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def pixels_of(png: bytes) -> np.ndarray[Any, Any]:
    """The grey values of a PNG of one bit a pixel, which is what two colours need."""
    assert png.startswith(PNG_MAGIC)
    width, height, depth, colour_type = struct.unpack(">IIBB", png[16:26])
    assert (depth, colour_type in {0, 3}) == (1, True)
    data = b""
    at = len(PNG_MAGIC)
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        data += png[at + 8 : at + 8 + size] if kind == b"IDAT" else b""
        at += size + 12
    rows = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, -1)
    assert set(rows[:, 0]) <= {0, 2}  # as they are, or as differences to the row above
    packed = rows[:, 1:].copy()
    for y in range(1, height):
        if rows[y, 0] == 2:
            packed[y] += packed[y - 1]
    bits = np.unpackbits(packed, axis=1)[:, :width]
    return (bits == bits[0, 0]) * np.uint8(255)  # the margin is light


def read(image: np.ndarray[Any, Any]) -> str:
    (found,) = zxingcpp.read_barcodes(image)
    return str(found.text)


async def test_a_drawn_code_reads_as_the_short_url(api: RunningApi) -> None:
    link = await api.make(code="Qr12", suffix="cisco")
    path = f"/v1/links/{link['id']}"
    wanted = {"recipients": [{"recipient": "+447700900123"}]}
    minted = (await api.client.post(f"{path}/recipients", json=wanted)).json()["data"][0]
    for parameters, url in (
        ({}, f"https://{DOMAIN}/cisco/Qr12"),
        ({"error_correction": "H", "margin": "2", "size": "300"}, f"https://{DOMAIN}/cisco/Qr12"),
        ({"code": minted["code"]}, minted["short_url"]),
    ):
        png = await api.client.get(f"{path}/qr", params={"format": "png", **parameters})
        assert png.headers["content-type"] == "image/png"
        image = pixels_of(png.content)
        assert 200 <= image.shape[0] <= int(parameters.get("size", "512"))
        assert read(image) == url


async def test_an_svg_has_the_size_and_the_colours_that_were_asked_for(api: RunningApi) -> None:
    path = f"/v1/links/{(await api.make(code='Qr12'))['id']}/qr"
    svg = await api.client.get(path, params={"size": "400", "dark": "#112233", "light": "transparent"})
    assert svg.headers["content-type"].startswith("image/svg+xml")
    (width,) = re.findall(r'width="([\d.]+)"', svg.text)
    assert abs(float(width) - 400) < 0.01
    assert "#123" in svg.text or "#112233" in svg.text
    assert "fill" not in svg.text.replace('fill="none"', "")


async def test_what_can_not_be_drawn_is_refused(api: RunningApi) -> None:
    path = f"/v1/links/{(await api.make())['id']}/qr"
    for parameters, status in (
        ({"format": "gif"}, 422),
        ({"dark": "red"}, 422),
        ({"size": "100000"}, 422),
        ({"code": "none1234"}, 404),
    ):
        answer = await api.client.get(path, params=parameters)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
