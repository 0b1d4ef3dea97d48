"""Links of other shorteners: their codes, their counts, and a verdict a row."""

import json
from typing import Any

from tests.api.conftest import DOMAIN, RunningApi


async def import_lines(
    api: RunningApi, source: str, body: str, *, content_type: str = "text/csv", **parameters: str
) -> list[dict[str, Any]]:
    answer = await api.client.post(
        "/v1/imports",
        params={"source": source, **parameters},
        content=body.encode(),
        headers={"Content-Type": content_type},
    )
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


EXPORTS = {
    "bitly": (
        "text/csv",
        (
            "Bitlink,Title,Long URL,Tags,Created,Clicks\n"
            'https://bit.ly/3abcXyz,Spring,https://www.example.com/spring,"promo, sms",'
            '2024-03-01T08:00:00+0000,"1,204"\n'
        ),
    ),
    "shlink": (
        "text/csv",
        (
            "createdAt,domain,shortCode,shortUrl,longUrl,title,tags,visits\n"
            "2024-03-01T08:00:00+00:00,old.example.com,3abcXyz,https://old.example.com/3abcXyz,"
            "https://www.example.com/spring,Spring,promo|sms,1204\n"
        ),
    ),
    "dub": (
        "text/csv",
        (
            "Short link,Destination URL,Clicks,Created at,Updated at,Tags,Archived\n"
            "https://dub.sh/3abcXyz,https://www.example.com/spring,1204,2024-03-01T08:00:00.000Z,"
            '2024-03-02T08:00:00.000Z,"promo, sms",false\n'
        ),
    ),
    "kutt": (
        "application/x-ndjson",
        (
            '{"id":"1","address":"3abcXyz","target":"https://www.example.com/spring","description":"Spring",'
            '"link":"https://kutt.it/3abcXyz","visit_count":1204,"created_at":"2024-03-01T08:00:00.000Z",'
            '"password":false,"banned":false,"domain":null,"expire_in":null,"tags":[]}\n'
        ),
    ),
    "yourls": (
        "text/csv",
        (
            "\ufeffkeyword;url;title;timestamp;ip;clicks\r\n"
            "3abcXyz;https://www.example.com/spring;Spring;2024-03-01 08:00:00;192.0.2.1;1204\r\n"
        ),
    ),
    "csv": (
        "text/csv",
        (
            "code,destination_url,name,tags,clicks,created_at\n"
            "3abcXyz,https://www.example.com/spring,Spring,promo|sms,1204,2024-03-01\n"
        ),
    ),
}


async def test_every_export_keeps_code_name_and_count(api: RunningApi) -> None:
    for number, (source, (content_type, export)) in enumerate(EXPORTS.items()):
        code = f"3abcXy{number}"
        body = export.replace("3abcXyz", code)
        (verdict,) = await import_lines(api, source, body, content_type=content_type)
        assert verdict["status"] == "created", verdict
        assert verdict["short_url"] == f"https://{DOMAIN}/{code}"
        link = (await api.client.get(f"/v1/links/{verdict['id']}")).json()
        assert (link["code"], link["name"], link["destination_url"]) == (
            code,
            "" if source == "dub" else "Spring",  # its export has no titles
            "https://www.example.com/spring",
        )
        assert link["tags"] == ([] if source in {"kutt", "yourls"} else ["promo", "sms"])
        assert (link["imported_clicks"], link["clicks_30d"]) == (1204, 0)
        assert link["created_at"].startswith("2024-03-01T")
        assert await api.link_store.resolve("", code) is not None
        stats = (await api.client.get(f"/v1/links/{link['id']}/stats")).json()
        assert stats["totals"]["total_clicks"] == 0
        again = (await import_lines(api, source, body, content_type=content_type))[0]
        assert again["problem"]["type"] == "/problems/code-taken"


async def test_a_row_that_can_not_be_kept_is_told_with_its_line(api: RunningApi) -> None:
    rows = [
        "keyword,url,title,timestamp,ip,clicks",
        f"{'a' * 51},https://www.example.com/,long,2024-03-01 08:00:00,,1",
        "my.link,https://www.example.com/,dot,2024-03-01 08:00:00,,1",
        "Good1,https://www.example.com/,ok,2024-03-01 08:00:00,,1",
        "Bad01,not a url,x,2024-03-01 08:00:00,,1",
        "Bad02,https://www.example.com/,x,yesterday,,1",
        "Bad03,https://www.example.com/,x,2024-03-01 08:00:00,,many",
        "Bad04,https://www.example.com/",
        "vip/Good2,https://www.example.com/,suffix,2024-03-01 08:00:00,,7",
        '"Bad05,https://www.example.com/,open quote,2024-03-01 08:00:00,,7',
    ]
    verdicts = await import_lines(api, "yourls", "\n".join(rows))
    assert [verdict["line"] for verdict in verdicts] == list(range(2, 11))
    pointers = [verdict.get("problem", {}).get("errors", [{}])[0].get("pointer") for verdict in verdicts]
    assert pointers == [
        "#/code",
        "#/code",
        None,
        "#/destination_url",
        "#/created_at",
        "#/clicks",
        None,
        None,
        None,
    ]
    assert "it has 51 characters" in verdicts[0]["problem"]["detail"]
    assert "it has '.'" in verdicts[1]["problem"]["detail"]
    assert [verdict.get("status") for verdict in verdicts].count("created") == 2
    assert verdicts[7]["short_url"] == f"https://{DOMAIN}/vip/Good2"
    assert verdicts[6]["problem"]["type"] == verdicts[8]["problem"]["type"] == "/problems/malformed-body"


async def test_of_rows_with_one_code_the_first_counts(api: RunningApi) -> None:
    rows = "".join(f"Twice{at},https://www.example.com/{n}\n" for at in range(20) for n in (1, 2, 3))
    verdicts = await import_lines(api, "csv", f"code,destination_url\n{rows}")
    assert ["problem" in verdict for verdict in verdicts] == [False, True, True] * 20


async def test_codes_that_others_give_are_kept(api: RunningApi) -> None:
    codes = ["a", "my-link", "_x_", "-", "Summer_Sale-2024", "a" * 50]
    body = "".join(f"{code},https://www.example.com/\n" for code in codes)
    verdicts = await import_lines(api, "csv", f"code,destination_url\n{body}")
    assert [verdict["short_url"] for verdict in verdicts] == [f"https://{DOMAIN}/{code}" for code in codes]
    for verdict in verdicts:
        assert await api.link_store.resolve("", verdict["code"]) is not None
    link = f"/v1/links/{verdicts[1]['id']}"
    asked = {"code": "my-link", "user_agent": "Mozilla/5.0", "ip": "192.0.2.1"}
    assert (await api.client.post(f"{link}/explain", json=asked)).json()["outcome"] == "redirected"
    assert (await api.client.patch(link, json={"name": "Moved"})).json()["code"] == "my-link"
    new = {"destination_url": "https://www.example.com/", "code": "my-own"}
    assert (await api.client.post("/v1/links", json=new)).status_code == 422, "asked for here it is no code"


async def test_a_dry_run_tells_the_same_and_makes_nothing(api: RunningApi) -> None:
    await api.make(code="Taken1")
    body = (
        "code,destination_url\nFresh1,https://www.example.com/\nTaken1,https://www.example.com/\n"
        "x y,https://www.example.com/\n"
    )
    fresh, taken, spaced = await import_lines(api, "csv", body, dry_run="true")
    assert fresh["status"] == "ok"
    assert taken["problem"]["type"] == "/problems/code-taken"
    assert spaced["problem"]["type"] == "/problems/invalid-body"
    assert len((await api.client.get("/v1/links")).json()["data"]) == 1


async def test_a_file_of_another_kind_is_refused_at_its_first_line(api: RunningApi) -> None:
    (verdict,) = await import_lines(api, "shlink", "keyword,url\nabcd,https://www.example.com/\n")
    assert verdict["line"] == 1
    assert "export of shlink" in verdict["problem"]["detail"]


async def test_an_expired_link_comes_along_expired(api: RunningApi) -> None:
    body = "code,destination_url,expires_at\nOver1,https://www.example.com/,2020-01-01\n"
    (verdict,) = await import_lines(api, "csv", body)
    link = (await api.client.get(f"/v1/links/{verdict['id']}")).json()
    assert (link["status"], link["expires_at"]) == ("expired", "2020-01-01T00:00:00Z")


async def test_what_was_switched_off_elsewhere_stays_so(api: RunningApi) -> None:
    body = "code,destination_url,status\nOff1,https://www.example.com/,Disabled\nOn1,https://www.example.com/,active\n"
    off, on = await import_lines(api, "csv", body)
    banned = '{"address":"Off2","target":"https://www.example.com/","banned":true}\n'
    (kutt,) = await import_lines(api, "kutt", banned, content_type="application/x-ndjson")
    links = [(await api.client.get(f"/v1/links/{each['id']}")).json() for each in (off, on, kutt)]
    assert [link["status"] for link in links] == ["disabled", "active", "disabled"]


async def test_shlinks_expiry_comes_along_from_its_api(api: RunningApi) -> None:
    row = {
        "shortCode": "Meta1",
        "longUrl": "https://www.example.com/",
        "meta": {"validUntil": "2290-01-01T00:00:00Z"},
    }
    (verdict,) = await import_lines(api, "shlink", json.dumps(row), content_type="application/x-ndjson")
    assert (await api.client.get(f"/v1/links/{verdict['id']}")).json()["expires_at"] == "2290-01-01T00:00:00Z"


async def test_odd_cells_are_mended_or_told(api: RunningApi) -> None:
    rows = [
        {"code": "Odd1", "name": "Spring\tsale\n2026"},
        {"short_url": "https://[bad/Odd2"},
        {"code": "Odd3", "created_at": "99999999999"},
        {"code": "Odd4", "created_at": "2024-01-01"},
    ]
    body = "\n".join(json.dumps({"destination_url": "https://www.example.com/", **row}) for row in rows)
    verdicts = await import_lines(api, "csv", body, content_type="application/x-ndjson")
    assert (await api.client.get(f"/v1/links/{verdicts[0]['id']}")).json()["name"] == "Spring sale 2026"
    problems = [verdict.get("problem", {}).get("errors", [{}])[0].get("pointer") for verdict in verdicts]
    assert problems == [None, "#/short_url", "#/created_at", None]
