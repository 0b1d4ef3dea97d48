"""Service keys: who may come in, and where the first one is."""

import stat
from pathlib import Path

import httpx
import pytest

from api.auth import KEY_FILE
from api.contract import admin_key
from edge.contract import Settings
from tests.api.conftest import KEY, RunningApi


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": f"bearer  {KEY}"},
        {"Key": KEY},
        {"Authorization": f"Bearer {KEY}", "Key": "wrong"},
    ],
)
async def test_a_key_opens_by_either_header(api: RunningApi, headers: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=api.url, headers=headers, timeout=180) as client:
        assert (await client.get("/v1/links")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": KEY},
        {"Authorization": "Bearer wrong", "Key": KEY},
        {"Key": ""},
        {"Key": KEY + "x"},
        {"Key": KEY.upper()},
        {"Key": "schlüssel".encode("latin-1").decode("latin-1")},
    ],
)
async def test_without_a_valid_key_nothing_opens(api: RunningApi, headers: dict[str, str]) -> None:
    raw = [(name, value.encode("latin-1")) for name, value in headers.items()]
    async with httpx.AsyncClient(base_url=api.url, headers=raw, timeout=180) as client:
        for method, path in (("GET", "/v1/links"), ("POST", "/v1/links"), ("GET", "/v1/nothing")):
            answer = await client.request(method, path, content=b"{nope" if method == "POST" else None)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == 'Bearer realm="smartlinks"'
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["type"] == "/problems/unauthorized"
            assert "Authorization: Bearer" in answer.json()["detail"]


async def test_the_docs_are_open(api: RunningApi) -> None:
    async with httpx.AsyncClient(base_url=api.url, timeout=180) as client:
        assert (await client.get("/openapi.json")).status_code == 200


def _settings(folder: Path, key: str | None = None) -> Settings:
    return Settings(data_dir=folder, admin_key=key, _env_file=None)


def test_the_first_key_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    key, made = admin_key(_settings(tmp_path / "new"))
    assert made
    assert len(key) >= 40
    file = tmp_path / "new" / KEY_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == key + "\n"
    assert admin_key(_settings(tmp_path / "new")) == (key, False)
    assert [path.name for path in file.parent.iterdir()] == [KEY_FILE]


def test_a_key_in_the_settings_wins(tmp_path: Path) -> None:
    assert admin_key(_settings(tmp_path, "0123456789abcdef")) == ("0123456789abcdef", False)
    assert not list(tmp_path.iterdir())
