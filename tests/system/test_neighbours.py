"""The same system beside neighbours of the user's own: a Redis over TCP, a ClickHouse over HTTP."""

from collections.abc import Callable

from tests.fixtures.redis import RedisServer
from tests.fixtures.system import System, wait_until
from tests.system.test_whole_way import DESKTOP, SHOP, click, make_link, totals_when


def test_three_urls_choose_the_neighbours_and_nothing_else_changes(
    new_system: Callable[..., System], redis_server: RedisServer, clickhouse_url: str
) -> None:
    urls = {"SMARTLINKS_REDIS_URL": redis_server.tcp_url, "SMARTLINKS_CLICKHOUSE_URL": clickhouse_url}
    system = new_system(extra_env=urls)
    system.start()
    assert system.processes("redis-server") == []
    with system.api as api:
        link = make_link(api, code="Remote1")
        assert click(system, "/Remote1", DESKTOP) == (302, SHOP)
        assert click(system, "/Remote1", DESKTOP) == (302, SHOP)
        totals = totals_when(api, link["id"], 2)["totals"]
        assert (totals["human_clicks"], totals["unique_clicks"]) == (2, 1)
        assert api.delete(f"/v1/links/{link['id']}").status_code == 204
        wait_until("the redirect is gone", lambda: click(system, "/Remote1", DESKTOP)[0] == 404)
    assert system.stop() == 0
    assert not (system.data_dir / "warehouse").exists()
