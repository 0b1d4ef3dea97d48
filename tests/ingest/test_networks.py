"""Networks: ASN files of both kinds, both address families, kinds by number and name, files that change."""

import ipaddress
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.enrich.addresses import are_private, is_private, split_ipv4
from ingest.enrich.database_files import CHECK_INTERVAL_S
from ingest.enrich.geo import Geo
from ingest.enrich.known_facts import TextNumbers
from ingest.enrich.network import PRIVATE, UNKNOWN, Network, Networks
from ingest.enrich.network_kinds import network_kind
from tests.ingest.mmdb import Unsigned, write_mmdb

TABLE = '16777216,16777471,13335,"Cloudflare, Inc."\n1365000192,1365000447,64500,Example Hosting Ltd\n'
TABLE_6 = (
    "55827575822966466661959896531774472192,55827575822966466680406640605484023807,64501,Example Mobile\n"
)
EXAMPLE_HOSTING = Network(64500, "Example Hosting Ltd", "hosting")


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        self.now_s += CHECK_INTERVAL_S
        return self.now_s


def write_tables(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "asn-ipv4-num.csv").write_text(TABLE)
    (folder / "asn-ipv6-num.csv").write_text(TABLE_6)


def asn_record(number: int, name: str) -> dict[str, object]:
    return {"autonomous_system_number": Unsigned(4, number), "autonomous_system_organization": name}


def test_tables_of_both_families_in_a_folder_below(tmp_path: Path) -> None:
    write_tables(tmp_path / "asn")
    networks = Networks(tmp_path)
    assert networks.find("81.92.64.7") == networks.find("::ffff:81.92.64.7") == EXAMPLE_HOSTING
    assert networks.find("81.92.65.0") == UNKNOWN
    assert networks.find("1.0.0.255") == Network(13335, "Cloudflare, Inc.", "relay")
    assert networks.find("1.0.1.0") == UNKNOWN
    assert networks.find("2a00::1").network_kind == "mobile"
    assert networks.find("10.0.0.1") == PRIVATE
    assert networks.find("no address") == UNKNOWN


def test_a_maxmind_file_beside_one_of_places(tmp_path: Path) -> None:
    network = "81.2.69.0/24"
    write_mmdb(tmp_path / "city.mmdb", {network: {"country_code": "GB"}}, ip_version=4, kind="City")
    write_mmdb(
        tmp_path / "asn.mmdb", {network: asn_record(64500, "Example Hosting Ltd")}, ip_version=4, kind="ASN"
    )
    assert Networks(tmp_path).find("81.2.69.142") == EXAMPLE_HOSTING
    assert Geo(tmp_path).locate("81.2.69.142").country == "GB"
    assert Networks(tmp_path / "city.mmdb").find("81.2.69.142") == UNKNOWN
    assert Geo(tmp_path / "asn.mmdb").locate("81.2.69.142").country == "Unknown"


@pytest.mark.parametrize("content", ["1,2\n", "a,b,c,d\n", "", "9,10,1,x\n1,2,2,y\n", "1,2,99999999999,x\n"])
def test_a_broken_file_leaves_what_was_read_before(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "asn-ipv4-num.csv"
    file.write_text(TABLE)
    networks = Networks(tmp_path, clock=Clock())
    assert networks.find("81.92.64.7") == EXAMPLE_HOSTING
    file.write_text(content)
    os.utime(file, ns=(1, 1))
    networks.refresh()
    assert networks.find("81.92.64.7") == EXAMPLE_HOSTING
    assert "stays in use" in caplog.text
    file.write_text(TABLE.replace("64500", "64501"))
    os.utime(file, ns=(2, 2))
    networks.refresh()
    assert networks.find("81.92.64.7").asn == 64501


def test_files_overwritten_in_place_and_replaced_under_load(tmp_path: Path) -> None:
    file = tmp_path / "asn.mmdb"
    names = [f"Example {number}" for number in range(40)]
    ends = threading.Event()

    def write(number: int) -> None:
        new = tmp_path / "new"
        write_mmdb(
            new,
            {"81.2.69.0/24": asn_record(64500 + number, names[number]), "2a00::/16": asn_record(1, "v6")},
            ip_version=6,
            kind="ASN",
        )
        if number % 2:
            new.replace(file)
            return
        whole = new.read_bytes()
        with file.open("wb") as half:  # in place, seen half written by whoever looks now
            half.write(whole[: len(whole) // 2])
            half.flush()
            half.write(whole[len(whole) // 2 :])

    write(0)
    networks = Networks(tmp_path, clock=Clock())
    seen: set[str] = set()

    def look_up() -> None:
        while not ends.is_set():
            networks.refresh()
            seen.add(networks.find("81.2.69.142").network)
            assert networks.find("2a00::1").asn == 1

    looking = threading.Thread(target=look_up)
    looking.start()
    for number in range(40):
        write(number)
    ends.set()
    looking.join()
    networks.refresh()
    assert networks.find("81.2.69.142").network == names[-1]
    assert seen <= set(names)


@pytest.mark.parametrize(
    ("asn", "name", "kind"),
    [
        (6167, "Verizon Business", "mobile"),
        (701, "Verizon Business", "other"),
        (16509, "Amazon.com, Inc.", "hosting"),
        (64500, "T-Mobile Polska S.A.", "mobile"),
        (64500, "ZSCALER, INC.", "relay"),
        (64500, "Contabo GmbH", "hosting"),
        (64500, "Comcast Cable Communications, LLC", "other"),
        (64500, "", "other"),
    ],
)
def test_kinds(asn: int, name: str, kind: str) -> None:
    assert network_kind(asn, name) == kind


@given(st.text(max_size=40) | st.ip_addresses().map(str))
def test_any_address_has_a_network(address: str) -> None:
    assert Networks(None).find(address) in {PRIVATE, UNKNOWN}


@pytest.fixture(scope="module")
def two_tables(tmp_path_factory: pytest.TempPathFactory) -> Networks:
    """Two tables that contradict each other: the first decides where it knows an address."""
    folder = tmp_path_factory.mktemp("tables")
    (folder / "a-asn-ipv4-num.csv").write_text("16777216,16777471,1,First\n167772160,167772415,2,Private\n")
    (folder / "b-asn-ipv4-num.csv").write_text("16777000,16777300,3,Second\n16777472,4294967295,4,\n")
    (folder / "asn-ipv6-num.csv").write_text(TABLE_6)
    return Networks(folder)


def expected_of_two_tables(address: str) -> Network:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return UNKNOWN
    if isinstance(ip, ipaddress.IPv6Address):
        return Network(64501, "Example Mobile", "mobile") if address == "2a00::1" else UNKNOWN
    if is_private(ip):
        return PRIVATE
    number = int(ip)
    if 16777216 <= number <= 16777471:
        return Network(1, "First", "other")
    if 16777000 <= number <= 16777300:
        return Network(3, "Second", "other")
    return Network(4, "Unknown", "other") if number >= 16777472 else UNKNOWN


addresses = (
    st.integers(0, 2**32 - 1).map(lambda number: str(ipaddress.IPv4Address(number)))
    | st.integers(16776990, 16777500).map(lambda number: str(ipaddress.IPv4Address(number)))
    | st.sampled_from(["10.0.0.1", "9.255.255.255", "11.0.0.0", "192.168.255.255", "172.32.0.0", "0.0.0.0"])
)


@given(
    st.lists(addresses | st.sampled_from(["2a00::1", "2b00::1"])),
    st.sampled_from([[], ["1.2.3", "01.2.3.4", "", "\0", "é"]]),
)
def test_many_at_a_time_have_the_networks_of_each(
    two_tables: Networks, texts: list[str], nonsense: list[str]
) -> None:
    texts = texts + nonsense
    two_tables._known.forget()  # else it would not look them up again
    assert list(two_tables.find_all(TextNumbers(100).of(texts))) == [
        expected_of_two_tables(text) for text in texts
    ]


@given(st.lists(addresses))
def test_many_at_a_time_are_private_where_each_is(texts: list[str]) -> None:
    plain, numbers, others = split_ipv4([*texts, "::1"])
    assert (plain, others) == (texts, ["::1"])
    assert numbers.tolist() == [int(ipaddress.IPv4Address(text)) for text in texts]
    assert are_private(numbers).tolist() == [is_private(ipaddress.IPv4Address(text)) for text in texts]
