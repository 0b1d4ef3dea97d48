from tests.api.conftest import DOMAIN, RunningApi


async def test_a_made_link_is_answered_whole_and_found_at_its_location(api: RunningApi) -> None:
    answer = await api.client.post(
        "/v1/links",
        json={
            "name": "Spring",
            "destination_url": "https://www.example.com/spring",
            "code": "Spring26",
            "suffix": "cisco",
            "device_routes": {"ios": "https://apps.example.com/i"},
            "expires_at": "2099-01-31T18:00:00+01:00",
            "expired_url": "https://www.example.com/over",
            "campaign": "spring",
            "tags": ["sms", "uk", "sms"],
            "external_id": "X-1",
            "forward_query": True,
        },
    )
    assert answer.status_code == 201
    link = answer.json()
    assert answer.headers["location"] == f"/v1/links/{link['id']}"
    assert {name: value for name, value in link.items() if name not in {"id", "created_at", "updated_at"}} == {
        "name": "Spring",
        "short_url": f"https://{DOMAIN}/cisco/Spring26",
        "domain": DOMAIN,
        "suffix": "cisco",
        "code": "Spring26",
        "destination_url": "https://www.example.com/spring",
        "device_routes": {"ios": "https://apps.example.com/i", "android": None},
        "device_routing": True,
        "expires_at": "2099-01-31T17:00:00Z",
        "expired_url": "https://www.example.com/over",
        "status": "active",
        "campaign": "spring",
        "tags": ["sms", "uk"],
        "external_id": "X-1",
        "forward_query": True,
        "links_sent_30d": 0,
        "clicks_30d": 0,
    }
    assert link["created_at"] == link["updated_at"]
    assert link["created_at"].endswith("Z")
    assert (await api.client.get(answer.headers["location"])).json() == link
