"""Encodings and segments, held to the tables of 3GPP TS 23.038 and to a plain second implementation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.messages.encoding import count_segments, cut_segments, encoding_of

# 3GPP TS 23.038, 6.2.1, by columns, and the extension table of 6.2.1.1.
BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = "\f^{}\\[~]|€"


def test_the_alphabet_is_that_of_the_standard() -> None:
    assert (len(BASIC), len(EXTENSION)) == (127, 10)
    taken = {chr(point) for point in range(0x10000) if encoding_of(chr(point)) == "GSM-7"}
    assert taken == set(BASIC + EXTENSION)


@pytest.mark.parametrize(
    ("text", "encoding", "segments"),
    [
        ("", "GSM-7", 1),
        ("a" * 160, "GSM-7", 1),
        ("a" * 161, "GSM-7", 2),
        ("a" * 306, "GSM-7", 2),
        ("a" * 307, "GSM-7", 3),
        ("€" * 80, "GSM-7", 1),
        ("€" * 81, "GSM-7", 2),
        ("a" * 152 + "€" + "a" * 152, "GSM-7", 3),  # the euro's pair does not fit the first 153 septets
        ("ç" * 70, "UCS-2", 1),
        ("ç" * 71, "UCS-2", 2),
        ("ç" * 134, "UCS-2", 2),
        ("ç" * 135, "UCS-2", 3),
        ("😀" * 35, "UCS-2", 1),
        ("😀" * 36, "UCS-2", 2),
        ("😀" * 67, "UCS-2", 3),  # 33 pairs a segment, since none is torn
        ("`", "UCS-2", 1),
    ],
)
def test_segments_are_counted_in_septets_and_code_units(text: str, encoding: str, segments: int) -> None:
    assert encoding_of(text) == encoding
    assert count_segments(text, encoding_of(text)) == segments


def test_binary_is_counted_in_octets() -> None:
    assert [count_segments("ab" * octets, "8-bit") for octets in (1, 140, 141, 268, 269)] == [1, 1, 2, 2, 3]


@given(st.text(alphabet=st.sampled_from("ab€{ç😀"), max_size=700))
def test_segments_join_to_the_text_and_none_is_too_long(text: str) -> None:
    encoding = encoding_of(text)
    assert encoding != "8-bit"
    segments = list(cut_segments(text, encoding))
    assert "".join(segments) == text
    assert len(segments) == count_segments(text, encoding)
    limit = (
        (160 if encoding == "GSM-7" else 70) if len(segments) == 1 else (153 if encoding == "GSM-7" else 67)
    )
    for segment in segments:
        if encoding == "GSM-7":
            units = sum(2 if char in EXTENSION else 1 for char in segment)
        else:
            units = len(segment.encode("utf-16-le")) // 2
        assert units <= limit
