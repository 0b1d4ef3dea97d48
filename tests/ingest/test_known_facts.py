"""What is remembered of texts: found once, forgotten in time, and the same as if it were not remembered."""

from collections.abc import Collection, Iterator

from hypothesis import given
from hypothesis import strategies as st

from ingest.enrich.known_facts import KnownFacts, TextNumbers


@given(st.lists(st.lists(st.text("abcdef", max_size=2), min_size=1), max_size=20), st.integers(1, 20))
def test_what_is_remembered_is_what_would_be_found(batches: list[list[str]], size: int) -> None:
    numbers = TextNumbers(size)
    known = KnownFacts(lambda texts: zip(texts, map(len, texts), strict=True))
    for texts in batches:
        column = known.column(numbers.of(texts))
        assert list(column) == list(map(len, texts))
        assert len(set(column.values)) == len(column.values)
        assert set(column.values) == set(map(len, texts))


def test_each_text_is_found_once_until_there_are_too_many() -> None:
    found: list[str] = []

    def find_all(texts: Collection[str]) -> Iterator[tuple[str, str]]:
        for text in sorted(texts, reverse=True):
            found.append(text)
            yield text, text.upper()

    numbers, known = TextNumbers(3), KnownFacts(find_all)
    assert list(known.column(numbers.of(["a", "b", "a"]))) == ["A", "B", "A"]
    assert list(known.column(numbers.of(["b", "c"]))) == ["B", "C"]
    assert (sorted(found), known.misses) == (["a", "b", "c"], 3)
    assert list(known.column(numbers.of(["d", "a"]))) == ["D", "A"]  # four: all are forgotten
    assert (sorted(found), known.misses) == (["a", "a", "b", "c", "d"], 5)
    known.forget()
    assert list(known.column(numbers.of(["d"]))) == ["D"]
    assert known.misses == 6


def test_facts_of_several_kinds_are_known_by_the_same_numbers() -> None:
    numbers = TextNumbers(3)
    upper = KnownFacts(lambda texts: [(text, text.upper()) for text in texts])
    length = KnownFacts(lambda texts: [(text, len(text)) for text in texts])
    for texts in (["a", "bb"], ["bb", "ccc"], ["d", "ee", "a"]):
        numbered = numbers.of(texts)
        assert list(upper.column(numbered)) == [text.upper() for text in texts]
        if texts != ["a", "bb"]:  # not each kind is asked for each batch
            assert list(length.column(numbered)) == list(map(len, texts))
