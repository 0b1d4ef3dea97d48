"""The bounded caches."""

from hypothesis import given
from hypothesis import strategies as st

from edge.cache import BoundedCache
from edge.code_cache import CodeCache


def test_what_was_put_is_found_until_dropped() -> None:
    cache: BoundedCache[str, int] = BoundedCache(2)
    cache.put("a", 1)
    assert cache.get("a") == 1
    assert cache.get("b") is None
    cache.drop("a")
    assert cache.get("a") is None


def test_a_used_entry_outlives_unused_ones() -> None:
    cache: BoundedCache[int, int] = BoundedCache(10)
    cache.put(-1, -1)
    for number in range(1_000):
        cache.put(number, number)
        assert cache.get(-1) == -1
    assert cache.get(0) is None


@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "get", "drop", "clear"]), st.integers(0, 20)),
        max_size=200,
    )
)
def test_it_is_bounded_and_never_wrong(actions: list[tuple[str, int]]) -> None:
    cache: BoundedCache[int, int] = BoundedCache(4)
    model: dict[int, int] = {}
    for value, (action, key) in enumerate(actions):
        if action == "put":
            cache.put(key, value)
            model[key] = value
        elif action == "get":
            assert cache.get(key) in {None, model.get(key)}
        elif action == "drop":
            cache.drop(key)
            model.pop(key, None)
        else:
            cache.clear()
            model.clear()
        assert all(key in model for key in cache.young)
        assert (key in cache) == (key in cache.young or key in cache.old)
        assert len(cache.young) <= 4
        assert len(cache) <= 8


@given(
    st.lists(st.tuples(st.sampled_from(["put", "get", "clear"]), st.integers(0, 20)), max_size=200),
    st.integers(1, 8),
)
def test_that_of_codes_is_bounded_and_never_wrong(actions: list[tuple[str, int]], size: int) -> None:
    cache = CodeCache(size)
    model: dict[bytes, bytes] = {}
    for action, code in actions:
        field, number = b"code%d" % code, b"%d" % (code // 3)
        if action == "put":
            cache.put(field, number)
            model[field] = number
            assert cache.get(field) == number
        elif action == "get":
            assert cache.get(field) in {None, model.get(field)}
        else:
            cache.clear()
            model.clear()
        found = {each for each in (b"code%d" % other for other in range(21)) if cache.get(each) is not None}
        assert found <= model.keys()
        assert len(found) == len(cache) <= max(2, size)


def test_a_code_used_between_any_two_others_stays() -> None:
    cache = CodeCache(1_000)
    cache.put(b"used", b"1")
    for number in range(10_000):
        cache.put(b"%d" % number, b"2")
        assert cache.get(b"used") == b"1"
    assert cache.get(b"0") is None
    assert 900 <= len(cache) <= 1_000
