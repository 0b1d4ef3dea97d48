"""The API on a Redis Cluster, and an edge that serves what it made."""

from pathlib import Path

from edge.contract import Settings, open_link_store
from ingest.contract import Warehouse
from tests.api.conftest import DOMAIN, RunningApi
from tests.edge.conftest import running_edge
from tests.fixtures.redis_cluster import RedisCluster


async def test_what_the_api_makes_on_a_cluster_the_edge_serves(
    redis_cluster: RedisCluster, warehouse: Warehouse, tmp_path: Path
) -> None:
    url = redis_cluster.url
    settings = Settings(data_dir=tmp_path, redis_url=url, default_domain=DOMAIN, _env_file=None)
    api = RunningApi(settings, open_link_store(url), warehouse)
    await api.start()
    async with running_edge(url, url, tmp_path / "edge", default_domain=DOMAIN) as edge:
        link = await api.make(code="Cluster1")
        taken = await api.client.post(
            "/v1/links", json={"destination_url": "https://www.example.com/", "code": "Cluster1"}
        )
        assert taken.status_code == 409
        recipients = {"recipients": [{"recipient": f"+4477009{at:05}"} for at in range(1_000)]}
        path = f"/v1/links/{link['id']}"
        key = {"Idempotency-Key": '"7b1e4e6c-43dd"'}
        minted = await api.client.post(f"{path}/recipients", json=recipients, headers=key)
        again = await api.client.post(f"{path}/recipients", json=recipients, headers=key)
        assert minted.json() == again.json()
        for one in minted.json()["data"][::100]:
            reply = await edge.ask("GET", f"/{one['code']}", host=DOMAIN)
            assert reply.location == "https://www.example.com/"
        assert (await api.client.delete(path)).status_code == 204
    await api.close()
