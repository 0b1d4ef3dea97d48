"""The contract of the LinkStore seam, held against every adapter there is."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from edge.code_layout import CodeLayout
from edge.codes import generate_many
from edge.links import DOCUMENT_FIELD, EdgeLink
from edge.linkstore import FREE, LinkEntry, LinkStore, LinkStoreUnavailableError, Mints
from edge.redis_codes import CODES_A_SCRIPT
from edge.redis_link_store import open_link_store
from edge.settings import SettingsError
from tests.fixtures.redis import RedisServer

LINK = EdgeLink(
    number=7,
    tenant="acme",
    code="Penhgy",
    suffix="cisco",
    destination=b"https://example.com/?a=1",
    ios=b"https://apps.example.com/ios",
    expires_at_ms=1_900_000_000_000,
    forward_query=True,
)


@pytest.fixture(params=["unix", "tcp", "cluster"])
async def new_store(request: pytest.FixtureRequest) -> AsyncIterator[LinkStore]:
    if request.param == "cluster":
        url = request.getfixturevalue("redis_cluster").url
    else:
        server = request.getfixturevalue("redis_server")
        url = server.url if request.param == "unix" else server.tcp_url
    store = open_link_store(url)
    yield store
    await store.close()


@pytest.fixture
async def store(new_store: LinkStore) -> LinkStore:
    await new_store.mark_whole(0)
    return new_store


async def test_a_new_store_is_empty_and_gives_no_numbers_until_it_is_marked(new_store: LinkStore) -> None:
    await new_store.ping()
    assert await new_store.is_empty()
    assert not await new_store.is_whole()
    with pytest.raises(LinkStoreUnavailableError):
        await new_store.next_number()
    with pytest.raises(LinkStoreUnavailableError):
        await new_store.raise_number(7)
    assert await new_store.is_empty(), "asking in vain makes nothing whole"
    await new_store.mark_whole(41)
    assert not await new_store.is_empty()
    assert await new_store.is_whole()
    assert await new_store.next_number() == 42


async def test_what_was_emptied_is_restored_as_it_was(new_store: LinkStore) -> None:
    await new_store.restore_link(LinkEntry("lnk_1", 7, 3, LINK, b"{}"))
    await new_store.restore_codes(".1", ["Penhgy"], 7)
    await new_store.mark_whole(7)
    assert await new_store.get_document("lnk_1") == (7, b"{}")
    assert EdgeLink.from_fields(7, await new_store.fields(7)) == LINK
    assert await new_store.resolve(".1", "Penhgy") == 7


async def test_numbers_are_never_given_twice(store: LinkStore) -> None:
    numbers = await asyncio.gather(*(store.next_number() for _ in range(100)))
    assert sorted(numbers) == list(range(1, 101))


async def test_raising_the_number_never_lowers_it(store: LinkStore) -> None:
    await store.raise_number(41)
    assert await store.next_number() == 42
    await store.raise_number(5)
    assert await store.next_number() == 43


async def test_a_link_is_read_back_as_it_was_put(store: LinkStore) -> None:
    await store.put_link("lnk_1", 7, LINK, b'{"id":"lnk_1"}')
    assert await store.get_document("lnk_1") == (7, b'{"id":"lnk_1"}')
    fields = await store.fields(7)
    assert EdgeLink.from_fields(7, fields) == LINK
    assert fields[DOCUMENT_FIELD] == b'{"id":"lnk_1"}'


async def test_putting_a_link_replaces_every_field_of_it(store: LinkStore) -> None:
    await store.put_link("lnk_1", 7, LINK, b"{}")
    plain = EdgeLink(number=7, tenant="acme", code="Penhgy", suffix="", destination=b"https://example.com/b")
    await store.put_link("lnk_1", 7, plain, b"{}")
    assert EdgeLink.from_fields(7, await store.fields(7)) == plain


async def test_a_link_put_without_redirect_has_a_document_and_no_destination(store: LinkStore) -> None:
    await store.put_link("lnk_1", 7, LINK, b"{}")
    assert await store.put_link("lnk_1", 7, None, b'{"enabled":false}', version=2)
    assert await store.get_document("lnk_1") == (7, b'{"enabled":false}')
    assert EdgeLink.from_fields(7, await store.fields(7)) is None


async def test_a_deleted_link_is_gone_and_its_code_stays_claimed(store: LinkStore) -> None:
    await store.put_link("lnk_1", 7, LINK, b"{}")
    await store.claim_codes("", ["Penhgy"], 7)
    await store.delete_link("lnk_1", 7)
    assert await store.get_document("lnk_1") is None
    assert EdgeLink.from_fields(7, await store.fields(7)) is None
    assert await store.claim_codes("", ["Penhgy"], 8) == [7]
    await store.delete_link("lnk_1", 7)
    assert not await store.put_link("lnk_1", 7, LINK, b"{}", version=99), "who comes too late changes nothing"
    assert await store.get_document("lnk_1") is None


async def test_of_two_changes_to_one_version_one_counts(store: LinkStore) -> None:
    assert await store.put_link("lnk_1", 7, LINK, b'{"at":1}', version=1)
    assert await store.put_link("lnk_1", 7, LINK, b'{"at":2}', version=2)
    assert await store.put_link("lnk_1", 7, LINK, b'{"at":2}', version=2), "the same once more does no harm"
    assert not await store.put_link("lnk_1", 7, LINK, b'{"at":3}', version=2)
    assert not await store.put_link("lnk_1", 7, LINK, b'{"at":1}', version=1)
    assert await store.get_document("lnk_1") == (7, b'{"at":2}')


async def test_an_id_leads_to_the_link_that_had_it_first(store: LinkStore) -> None:
    assert await store.put_link("lnk_1", 7, LINK, b'{"at":7}')
    assert not await store.put_link("lnk_1", 8, LINK, b'{"at":8}')
    assert await store.get_document("lnk_1") == (7, b'{"at":7}')
    assert EdgeLink.from_fields(8, await store.fields(8)) is None
    await store.delete_link("lnk_1", 8)
    assert await store.get_document("lnk_1") == (7, b'{"at":7}'), "of another link's id nothing is forgotten"
    await store.delete_link("lnk_1", 7)
    assert await store.put_link("lnk_1", 9, LINK, b'{"at":9}'), "an id is free again"


async def test_many_links_are_put_and_read_at_once(store: LinkStore) -> None:
    numbers = await store.next_numbers(300)
    assert numbers == list(range(1, 301))
    entries = [
        LinkEntry(f"lnk_{number}", number, 1, LINK if number % 2 else None, b"%d" % number)
        for number in numbers
    ]
    assert await store.put_links(entries) == [True] * 300
    found = await store.get_documents([each.link_id for each in entries] + ["lnk_none"])
    assert found == [*((number, b"%d" % number) for number in numbers), None]
    assert await store.put_links([]) == []
    assert await store.get_documents([]) == []


async def test_codes_of_many_links_are_claimed_at_once(store: LinkStore) -> None:
    codes = generate_many(1_200)
    await store.claim_codes(".1", codes[:3], 4_000)
    numbers = list(range(1, 1_201))
    assert await store.claim_codes_of(".1", codes, numbers) == [4_000] * 3 + numbers[3:]
    assert await store.resolve(".1", codes[700]) == 701
    assert await store.claim_codes_of(".1", [], []) == []


async def test_what_was_never_there_reads_as_nothing(store: LinkStore) -> None:
    assert await store.get_document("lnk_none") is None
    assert await store.fields(99) == {}
    assert await store.resolve("", "nobody") is None


async def test_a_code_goes_to_whoever_claims_it_first(store: LinkStore) -> None:
    assert await store.claim_codes("", ["aaaa", "bbbb"], 1) == [1, 1]
    assert await store.claim_codes("", ["bbbb", "cccc"], 2) == [1, 2]
    assert await store.claim_codes("", ["aaaa"], 1) == [1], "claiming again is harmless"
    assert [await store.resolve("", code) for code in ("aaaa", "bbbb", "cccc")] == [1, 1, 2]


async def test_who_had_a_code_before_is_told(store: LinkStore) -> None:
    await store.claim_codes("", ["aaaa"], 1)
    assert await store.claim_new_codes("", ["aaaa", "bbbb"], [1, 1]) == [1, FREE]
    assert await store.claim_new_codes("", ["bbbb", "cccc"], [2, 2]) == [1, FREE]


async def test_the_same_code_twice_in_one_claim_has_one_holder(store: LinkStore) -> None:
    assert await store.claim_codes("", ["aaaa", "aaaa"], 1) == [1, 1]


async def test_each_domain_has_a_name_space_of_its_own(store: LinkStore) -> None:
    assert await store.claim_codes("", ["aaaa"], 1) == [1]
    assert await store.claim_codes(".1", ["aaaa"], 2) == [2]
    assert await store.resolve("", "aaaa") == 1
    assert await store.resolve(".1", "aaaa") == 2


async def test_released_codes_resolve_to_nothing(store: LinkStore) -> None:
    await store.claim_codes("", ["aaaa", "bbbb"], 1)
    await store.release_codes("", ["aaaa", "never"])
    assert await store.resolve("", "aaaa") is None
    assert await store.resolve("", "bbbb") == 1


async def test_who_mints_begins_only_at_the_version_that_was_read(store: LinkStore) -> None:
    assert (await store.mints(7)) == Mints(0, frozenset())
    assert await store.begin_mint(7, "one", 0)
    assert not await store.begin_mint(7, "two", 0), "the first has begun since"
    assert await store.begin_mint(7, "one", 0), "a repeat goes on"
    assert (await store.mints(7)) == Mints(1, frozenset({"one"}))
    assert not await store.begin_mint(7, "two", 1, alone=True)
    assert await store.end_mint(7, "one")
    assert await store.begin_mint(7, "two", 1, alone=True)
    assert not await store.begin_mint(7, "one", 0), "what has ended does not begin again"
    assert (await store.mints(8)) == Mints(0, frozenset()), "each link has its own"


async def test_what_nobody_says_to_go_on_is_void(store: LinkStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await store.begin_mint(7, "dead", 0)
    with monkeypatch.context() as patched:
        patched.setattr("edge.redis_store.MINT_LEASE_S", -1)
        assert (await store.mints(7)) == Mints(1, frozenset(), frozenset({"dead"}))
    assert (await store.mints(7)) == Mints(1, frozenset(), frozenset({"dead"})), "it stays so"
    assert not await store.begin_mint(7, "dead", 0)
    assert not await store.end_mint(7, "dead")
    assert not await store.begin_mint(7, "turn", 1, alone=True), "before it is forgotten"
    for _ in range(2):
        await store.forget_void_mint(7, "dead")
        assert (await store.mints(7)) == Mints(2, frozenset())
    assert not await store.begin_mint(7, "dead", 0)
    assert not await store.end_mint(7, "dead")
    assert await store.begin_mint(7, "next", 2)
    await store.forget_void_mint(7, "next")
    assert await store.end_mint(7, "next"), "what is under way is not forgotten"


async def test_nothing_to_claim_or_release_is_no_error(store: LinkStore) -> None:
    assert await store.claim_codes("", [], 1) == []
    await store.release_codes("", [])


@pytest.mark.parametrize("count", [CODES_A_SCRIPT - 1, CODES_A_SCRIPT, CODES_A_SCRIPT * 2 + 1])
async def test_holders_come_in_the_order_of_the_codes(store: LinkStore, count: int) -> None:
    codes = generate_many(count)
    await store.claim_codes("", codes[::3], 1)
    assert await store.claim_codes("", codes, 2) == [1 if at % 3 == 0 else 2 for at in range(count)]
    await store.release_codes("", codes)
    assert await store.claim_codes("", codes, 3) == [3] * count


async def test_two_claimants_at_once_agree_on_every_holder(store: LinkStore) -> None:
    codes = generate_many(3 * CODES_A_SCRIPT)
    ours, theirs = await asyncio.gather(
        store.claim_codes("", codes, 1), store.claim_codes("", codes[::-1], 2)
    )
    assert ours == theirs[::-1]


async def test_codes_stand_where_the_edge_looks_for_them(redis_server: RedisServer) -> None:
    store = open_link_store(redis_server.url)
    await store.claim_codes(".1", ["Penhgy"], 7)
    assert redis_server.ask(b"HGET %b Penhgy.1" % CodeLayout().key(b"Penhgy.1")) == b"$1\r\n7\r\n"
    await store.close()


async def test_a_cancelled_command_never_hands_its_reply_to_the_next_caller(store: LinkStore) -> None:
    codes = generate_many(200)
    for number, code in enumerate(codes, start=1):
        await store.claim_codes("", [code], number)

    async def resolve(number: int, code: str) -> None:
        assert await store.resolve("", code) == number

    for turns in range(8):  # cancel after so many turns of the loop: before, while and after it is sent
        tasks = [asyncio.create_task(resolve(number, code)) for number, code in enumerate(codes, start=1)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


@pytest.mark.parametrize(
    "url", ["redis+cluster://127.0.0.1", "redis://127.0.0.1:port", "memcached://127.0.0.1"]
)
def test_a_url_that_cannot_be_opened_is_one_line_that_names_the_setting(url: str) -> None:
    with pytest.raises(SettingsError, match=r"\ASMARTLINKS_REDIS_URL: .+\Z"):
        open_link_store(url)
