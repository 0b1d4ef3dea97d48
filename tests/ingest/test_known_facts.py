"""What is remembered of texts: found once, forgotten in time, and the same as if it were not remembered."""

from collections.abc import Collection, Iterator

from hypothesis import given
from hypothesis import strategies as st

from ingest.enrich.known_facts import KnownFacts


@given(st.lists(st.lists(st.text("abcdef", max_size=2), min_size=1), max_size=20), st.integers(1, 20))
def test_what_is_remembered_is_what_would_be_found(batches: list[list[str]], size: int) -> None:
    known = KnownFacts(lambda texts: zip(texts, map(len, texts), strict=True), size)
    for texts in batches:
        column = known.column(texts)
        assert list(column) == list(map(len, texts))
        assert len(set(column.values)) == len(column.values)
        assert set(column.values) == set(map(len, texts))


def test_each_text_is_found_once_until_there_are_too_many() -> None:
    found: list[str] = []

    def find_all(texts: Collection[str]) -> Iterator[tuple[str, str]]:
        for text in sorted(texts, reverse=True):
            found.append(text)
            yield text, text.upper()

    known = KnownFacts(find_all, 3)
    assert list(known.column(["a", "b", "a"])) == ["A", "B", "A"]
    assert list(known.column(["b", "c"])) == ["B", "C"]
    assert (sorted(found), known.misses) == (["a", "b", "c"], 3)
    assert list(known.column(["d", "a"])) == ["D", "A"]  # four: all are forgotten
    assert (sorted(found), known.misses) == (["a", "a", "b", "c", "d"], 5)
    known.forget()
    assert list(known.column(["d"])) == ["D"]
    assert known.misses == 6
