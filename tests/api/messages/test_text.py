"""Placeholders and URLs in the text of a message."""

import pytest

from api.messages.substitution import MissingSubstitutionsError, render
from api.messages.urls import find_urls, replace_urls


def test_placeholders_are_filled_once() -> None:
    given = {"name": "Ann", "code": "${name}", "5": "five"}
    assert render("Hi ${name}, ${ name }: ${code} $ {name} $5 ${5}", given) == (
        "Hi Ann, Ann: ${name} $ {name} $5 five"
    )
    assert render("no placeholder", {}) == "no placeholder"
    assert render("${name}", {"name": ""}) == ""


def test_missing_ones_are_named_once_each() -> None:
    with pytest.raises(MissingSubstitutionsError) as error:
        render("${b} ${a} ${b} ${c} ${}", {"c": "x"})
    assert error.value.names == ["b", "a", ""]


def test_round_brackets_are_placeholders_only_where_there_is_a_value() -> None:
    assert render("$(name) owes $(20)", {"name": "Ann"}) == "Ann owes $(20)"


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("none", []),
        ("http://a.example.com ftp://a.example.com www.example.com a.example.com", []),
        ("see https://a.example.com.", ["https://a.example.com"]),
        ("(https://a.example.com/x), then", ["https://a.example.com/x"]),
        ("[https://a.example.com/x?y=1&z=2#f]!", ["https://a.example.com/x?y=1&z=2#f"]),
        ("<https://a.example.com/x>", ["https://a.example.com/x"]),
        ('"https://a.example.com/x"', ["https://a.example.com/x"]),
        ("https://a.example.com/wiki_(x)", ["https://a.example.com/wiki_(x)"]),
        ("HTTPS://A.example.com/X", ["HTTPS://A.example.com/X"]),
        ("https://münchen.example.com/straße?", ["https://münchen.example.com/straße"]),
        ("https://例え.テスト/パス", ["https://例え.テスト/パス"]),
        ("https://a.example.com:8443/x;p", ["https://a.example.com:8443/x;p"]),
        ("https://a.example.com https://a.example.com/", ["https://a.example.com", "https://a.example.com/"]),
        ("line\nhttps://a.example.com/1\nhttps://a.example.com/1", ["https://a.example.com/1"] * 2),
        ("https:// https:a", []),
    ],
)
def test_https_urls_are_found_as_people_write_them(text: str, urls: list[str]) -> None:
    found = find_urls(text)
    assert [one.url for one in found] == urls
    assert [text[one.start : one.end] for one in found] == urls


def test_urls_are_replaced_where_they_stand() -> None:
    text = "A https://a.example.com/1, b (https://b.example.com) and https://a.example.com/1."
    assert replace_urls(text, find_urls(text), {"https://a.example.com/1": "SHORT"}) == (
        "A SHORT, b (https://b.example.com) and SHORT."
    )
