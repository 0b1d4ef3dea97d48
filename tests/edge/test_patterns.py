"""Regular expressions that read bytes from outside, on every Python that is supported."""

import re
from pathlib import Path

import edge

# gh-106052: before 3.11.5 a possessive or atomic group may match nothing that it should. Debian 12 has
# 3.11.2, where such an expression found no code at all. Sets of characters may be possessive.
_POSSESSIVE_GROUP = re.compile(r"(?<!\()\)(?:[+*?]|\{[0-9,]+\})\+|\(\?>")


def test_no_expression_has_a_possessive_group() -> None:
    assert _POSSESSIVE_GROUP.search(r"(?:a/){0,4}+")
    assert _POSSESSIVE_GROUP.search(r"(?>a)")
    assert not _POSSESSIVE_GROUP.search(r"(?:[a-z]*+:[ \t]++)+")
    sources = list(Path(edge.__file__).parent.glob("*.py"))
    assert len(sources) > 40
    assert [path.name for path in sources if _POSSESSIVE_GROUP.search(path.read_text())] == []
