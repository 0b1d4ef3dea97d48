"""The bounded caches."""

from hypothesis import given
from hypothesis import strategies as st

from edge.cache import BoundedCache
from edge.sharded_cache import ENTRIES_A_SHARD, ShardedCache


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
    st.lists(st.tuples(st.sampled_from(["put_all", "get", "clear"]), st.integers(0, 20)), max_size=200),
    st.integers(1, 4),
)
def test_a_sharded_one_is_bounded_and_never_wrong(actions: list[tuple[str, int]], size: int) -> None:
    cache: ShardedCache[int, int] = ShardedCache(size)
    model: dict[int, int] = {}
    for value, (action, key) in enumerate(actions):
        if action == "put_all":
            cache.put_all({key: value, key + 1: value})
            model.update({key: value, key + 1: value})
            assert cache.get(key + 1) == value
        elif action == "get":
            assert cache.get(key) in {None, model.get(key)}
        else:
            cache.clear()
            model.clear()
        found = {each for each in range(22) if each in cache}
        assert found <= model.keys()
        assert len(found) <= len(cache) <= 2 * size


def test_a_used_entry_outlives_unused_ones_in_its_shard() -> None:
    cache: ShardedCache[bytes, int] = ShardedCache(100 * ENTRIES_A_SHARD)
    cache.put_all({b"used": -1})
    for number in range(300 * ENTRIES_A_SHARD):
        cache.put_all({b"%d" % number: number})
        assert cache.get(b"used") == -1
    assert cache.get(b"0") is None
    assert 100 * ENTRIES_A_SHARD <= len(cache) <= 200 * ENTRIES_A_SHARD
