"""The catalogue on a real warehouse: versions, deletion, codes, and pages of links."""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from ingest.contract import Catalogue, CursorError, LinkDocument, LinkListing, Sort, Warehouse

NOW_MS = 1_760_000_000_000


@pytest.fixture
def catalogue(warehouse: Warehouse) -> Catalogue:
    return Catalogue(warehouse)


def document(number: int, **changes: object) -> LinkDocument:
    doc = LinkDocument(
        number=number,
        id=f"lnk_{number}",
        tenant="acme",
        name=f"Link {number}",
        domain="s.example.com",
        suffix="spring",
        code=f"code{number}",
        destination_url="https://example.com/spring?a=1",
        ios_url="https://example.com/ios",
        android_url=None,
        expires_at_ms=NOW_MS + 1,
        expired_url=None,
        campaign="Spring",
        tags=("sale", "süß"),
        external_id=None,
        forward_query=True,
        enabled=True,
        created_at_ms=NOW_MS - 5_000 + number,
        updated_at_ms=NOW_MS,
        version=1,
    )
    return replace(doc, **changes)  # type: ignore[arg-type]  # fields by name


def count(warehouse: Warehouse, table: str) -> int:
    ((rows,),) = warehouse.query(f"SELECT count() FROM {table}")
    return int(rows)


def test_a_link_comes_back_as_it_was_saved(catalogue: Catalogue) -> None:
    full = document(1)
    bare = document(
        2, suffix="", ios_url=None, expires_at_ms=None, campaign=None, tags=(), forward_query=False
    )
    for doc in (full, bare):
        catalogue.save_link(doc, token=doc.id)
    assert catalogue.link("acme", "lnk_1") == full
    assert catalogue.link("acme", "lnk_2") == bare
    assert sorted(catalogue.all_links(), key=lambda doc: doc.number) == [full, bare]


def test_a_link_is_its_tenants_own(catalogue: Catalogue) -> None:
    catalogue.save_link(document(1), token="a")
    assert catalogue.link("other", "lnk_1") is None
    assert catalogue.links("other", LinkListing(now_ms=NOW_MS)) == ([], None)
    assert catalogue.link("acme", "") is None


def test_the_same_event_again_adds_nothing(catalogue: Catalogue, warehouse: Warehouse) -> None:
    for _ in range(2):
        catalogue.save_link(document(1), token="a")
        catalogue.add_codes("acme", 1, [("aaaa", "+15550100", "")], NOW_MS, token="b")
    assert (count(warehouse, "links"), count(warehouse, "codes")) == (1, 1)
    assert warehouse.query("SELECT sum(sent) FROM sent_15m") == [(1,)]


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_the_highest_version_counts_in_any_order(catalogue: Catalogue, order: tuple[int, ...]) -> None:
    for version in order:
        catalogue.save_link(document(1, version=version, name=f"v{version}"), token=f"v{version}")
    found = catalogue.link("acme", "lnk_1")
    assert found is not None
    assert found.name == "v3"
    assert [doc.name for doc in catalogue.links("acme", LinkListing(now_ms=NOW_MS))[0]] == ["v3"]
    assert [doc.name for doc in catalogue.all_links()] == ["v3"]


def test_a_deleted_link_leaves_its_number_and_code_and_nothing_else(
    catalogue: Catalogue, warehouse: Warehouse
) -> None:
    for number in (1, 2):
        catalogue.save_link(document(number), token=f"save{number}")
        catalogue.add_codes(
            "acme", number, [(f"perso{number}", "+15550100", "r1")], NOW_MS, token=f"m{number}"
        )
    for _ in range(2):
        catalogue.delete_link("acme", 2, NOW_MS, token="delete")
    catalogue.save_link(document(2, version=9), token="a save that was on its way")
    assert catalogue.link("acme", "lnk_2") is None
    assert [doc.number for doc in catalogue.all_links()] == [1]
    assert list(catalogue.all_codes()) == [(1, ["perso1"])]
    assert catalogue.codes_for("acme", 2, [("+15550100", "r1")]) == {}
    assert catalogue.highest_number() == 2
    assert count(warehouse, "erasures") == 1
    assert warehouse.query("SELECT link, sum(sent) FROM sent_15m GROUP BY link") == [(1, 1)]
    catalogue.delete_link("acme", 2, NOW_MS, token="delete")
    tombstone = warehouse.query_dicts("SELECT * FROM links WHERE number = 2")
    assert [(row["id"], row["destination_url"], row["code"], row["deleted"]) for row in tombstone] == [
        ("", "", document(2).code, True)
    ]
    assert list(catalogue.retired_codes()) == [(2, document(2).domain, document(2).code)]


def test_codes_are_found_by_recipient_and_reference(catalogue: Catalogue) -> None:
    pairs = [(f"+1555{n:05}", "") for n in range(2500)]
    codes = [(f"c{n:05}", recipient, reference) for n, (recipient, reference) in enumerate(pairs)]
    catalogue.add_codes("acme", 1, codes, NOW_MS, token="a")
    catalogue.add_codes("acme", 1, [("o'ther", "+155500001", "a'b\\")], NOW_MS, token="b")
    found = catalogue.codes_for("acme", 1, [*pairs, ("+155500001", "a'b\\"), ("nobody", "")])
    expected = {(recipient, reference): code for code, recipient, reference in codes}
    assert found == {**expected, ("+155500001", "a'b\\"): "o'ther"}
    assert catalogue.codes_for("acme", 2, pairs) == {}
    assert catalogue.codes_for("acme", 1, []) == {}
    assert sorted(code for _, part in catalogue.all_codes() for code in part) == sorted(found.values())


def test_of_two_codes_for_one_recipient_the_older_counts(catalogue: Catalogue) -> None:
    catalogue.add_codes("acme", 1, [("newer", "+15550100", "")], NOW_MS + 1, token="a")
    catalogue.add_codes("acme", 1, [("older", "+15550100", "")], NOW_MS, token="b")
    assert catalogue.codes_for("acme", 1, [("+15550100", "")]) == {("+15550100", ""): "older"}


def test_codes_under_a_token_that_is_used_up_are_never_stored(catalogue: Catalogue) -> None:
    late, early = [("late", "+15550100", "")], [("early", "+15550101", "")]
    catalogue.add_codes("acme", 1, early, NOW_MS, token="a")
    for token in "ab":
        catalogue.void_codes(NOW_MS + 1, token=token)
    for token, codes in (("a", early), ("b", late), ("b", late)):
        catalogue.add_codes("acme", 1, codes, NOW_MS, token=token)
    pairs = [("+15550100", ""), ("+15550101", "")]
    assert catalogue.codes_for("acme", 1, pairs) == {("+15550101", ""): "early"}
    assert list(catalogue.all_codes()) == [(1, ["early"])]


def test_a_token_that_is_used_up_while_codes_are_stored_under_it_decides_for_all_of_them(
    clickhouse: Warehouse,
) -> None:
    catalogue = Catalogue(clickhouse)
    pairs = [(f"+4477009{number:05}", "") for number in range(2_000)]
    codes = [(f"c{at:07}", *pair) for at, pair in enumerate(pairs)]
    with ThreadPoolExecutor(2) as threads:
        for number in range(1, 21):
            storing = threads.submit(catalogue.add_codes, "acme", number, codes, NOW_MS, token=f"{number}")
            voiding = threads.submit(catalogue.void_codes, NOW_MS, token=f"{number}")
            voiding.result()
            found = catalogue.codes_for("acme", number, pairs)
            storing.result()
            assert len(found) in {0, len(pairs)}
            assert catalogue.codes_for("acme", number, pairs) == found, "it was decided by then"


def test_highest_number_of_an_empty_catalogue(catalogue: Catalogue) -> None:
    assert catalogue.highest_number() == 0


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "updated_at", "-updated_at", "name", "-name"])
def test_pages_hold_every_link_once_in_order(catalogue: Catalogue, sort: Sort) -> None:
    rng = random.Random(sort)
    documents = [
        document(
            number,
            name=rng.choice(["Äpfel", "b", "B", "zebra", ""]),
            created_at_ms=NOW_MS + rng.randrange(5),
            updated_at_ms=NOW_MS + rng.randrange(5),
        )
        for number in range(1, 24)
    ]
    for doc in documents:
        catalogue.save_link(doc, token=doc.id)

    def key(doc: LinkDocument) -> tuple[int | bytes, int]:
        field = sort.removeprefix("-")
        value = doc.name.lower().encode() if field == "name" else getattr(doc, f"{field}_ms")
        return value, doc.number

    found: list[LinkDocument] = []
    cursor = None
    while True:
        page, cursor = catalogue.links("acme", LinkListing(now_ms=NOW_MS, sort=sort, limit=5, cursor=cursor))
        found += page
        if cursor is None:
            break
        assert len(page) == 5
    assert [doc.number for doc in found] == [
        doc.number for doc in sorted(documents, key=key, reverse=sort.startswith("-"))
    ]


def test_links_are_filtered(catalogue: Catalogue) -> None:
    documents = [
        document(1, name="Summer SALE", campaign=None, tags=()),
        document(2, destination_url="https://example.com/summer", expires_at_ms=NOW_MS),
        document(3, enabled=False, campaign="Autumn", external_id="x-77"),
        document(4, expires_at_ms=None),
    ]
    for doc in documents:
        catalogue.save_link(doc, token=doc.id)

    def numbers(**filters: object) -> list[int]:
        page, _ = catalogue.links("acme", LinkListing(now_ms=NOW_MS, sort="created_at", **filters))  # type: ignore[arg-type]  # by name
        return [doc.number for doc in page]

    assert numbers() == [1, 2, 3, 4]
    assert numbers(q="summer") == [1, 2]
    assert numbers(q="X-77") == [3]
    assert numbers(q="100%_'") == []
    assert numbers(status="active") == [1, 4]
    assert numbers(status="expired") == [2]
    assert numbers(status="disabled") == [3]
    assert numbers(campaign="Spring") == [2, 4]
    assert numbers(tag="sale") == [2, 3, 4]
    assert numbers(q="summer", status="expired", tag="süß") == [2]


@pytest.mark.parametrize("cursor", ["", "x", "!!!!", "bnVsbA", "WyIxIiwyLDNd", "W10", "ä"])
def test_a_cursor_that_is_none_is_refused(catalogue: Catalogue, cursor: str) -> None:
    with pytest.raises(CursorError):
        catalogue.links("acme", LinkListing(now_ms=NOW_MS, cursor=cursor))


def test_a_cursor_of_another_sort_is_refused(catalogue: Catalogue) -> None:
    for number in (1, 2):
        catalogue.save_link(document(number), token=str(number))
    _, cursor = catalogue.links("acme", LinkListing(now_ms=NOW_MS, sort="name", limit=1))
    assert cursor is not None
    with pytest.raises(CursorError, match="another sort"):
        catalogue.links("acme", LinkListing(now_ms=NOW_MS, sort="-name", limit=1, cursor=cursor))
