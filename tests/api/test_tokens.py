"""JWTs of a tenant's identity provider: who comes in, and every known way to cheat."""

import base64
import datetime as dt
import hashlib
import hmac
import ipaddress
import json
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from edge.contract import Settings
from tests.api.conftest import KEY, RunningApi, StartApi

ISSUER = "https://id.example.com/"
AUDIENCE = "smartlinks"


def _certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS of a server on 127.0.0.1, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "id.example.com")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    file = folder / "tls.pem"
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    file.write_bytes(
        pem
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=pem.decode())


@dataclass
class IdentityProvider:
    """A real HTTPS server with a key set, and the private keys to it."""

    client_tls: ssl.SSLContext
    url: str = ""
    fetches: int = 0
    keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict)

    def add(self, key_id: str) -> rsa.RSAPrivateKey:
        self.keys[key_id] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return self.keys[key_id]

    def sign(self, *, key_id: str = "one", algorithm: str = "RS256", **claims: Any) -> str:
        whole = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "ann@example.com",
            "exp": time.time() + 300,
            "roles": ["marketing"],
            **claims,
        }
        kept = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(kept, self.keys[key_id], algorithm=algorithm, headers={"kid": key_id})

    async def answer(self, _: web.Request) -> web.Response:
        self.fetches += 1
        return web.json_response({"keys": [self.public(key_id) for key_id in self.keys]})

    def public(self, key_id: str) -> dict[str, Any]:
        public: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(
            self.keys[key_id].public_key(), as_dict=True
        )
        return {**public, "kid": key_id, "use": "sig"}


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[IdentityProvider]:
    server_tls, client_tls = _certificate(tmp_path)
    provider = IdentityProvider(client_tls)
    provider.add("one")
    app = web.Application()
    app.router.add_get("/jwks.json", provider.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_tls)
    await site.start()
    port = runner.addresses[0][1]
    provider.url = f"https://127.0.0.1:{port}/jwks.json"
    yield provider
    await runner.cleanup()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"outbound_networks": (ipaddress.ip_network("127.0.0.0/8"),)})


@pytest.fixture
async def api(start_api: StartApi, provider: IdentityProvider) -> RunningApi:
    api = await start_api()
    api.access._key_sets._tls = provider.client_tls
    await _set_provider(api, provider.url)
    return api


async def _set_provider(api: RunningApi, url: str) -> None:
    fields = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "jwks_url": url,
        "role_claim": "roles",
        "roles": {"marketing": "editor", "analysts": "viewer", "bosses": "admin"},
    }
    body = {"id": "acme", "identity_provider": fields}
    answer = await api.client.post("/v1/tenants", json=body)
    assert answer.status_code == 201, answer.text


async def ask(
    api: RunningApi, token: str, method: str = "GET", path: str = "/v1/links", **headers: str
) -> httpx.Response:
    own = {"Authorization": f"Bearer {token}", **headers}
    async with httpx.AsyncClient(base_url=api.url, headers=own, timeout=180) as client:
        return await client.request(method, path)


async def test_a_person_works_in_their_tenant_by_their_role(
    api: RunningApi, provider: IdentityProvider
) -> None:
    await api.make(name="Of another tenant")
    answer = await ask(api, provider.sign())
    assert (answer.status_code, answer.json()["data"]) == (200, [])
    assert (await ask(api, provider.sign(roles="analysts"), "DELETE", "/v1/links/x")).status_code == 403
    assert (await ask(api, provider.sign(), "DELETE", "/v1/links/x")).status_code == 404
    assert (await ask(api, provider.sign(), path="/v1/keys")).status_code == 403
    assert (await ask(api, provider.sign(roles=["bosses"]), path="/v1/keys")).status_code == 200
    assert (await ask(api, provider.sign(roles=["bosses"]), path="/v1/tenants")).status_code == 403
    assert (await ask(api, provider.sign(roles=["strangers"]))).status_code == 403
    assert (await ask(api, provider.sign(roles=None))).status_code == 403
    assert (await ask(api, provider.sign(algorithm="PS256"))).status_code == 200


async def test_the_token_counts_and_the_key_is_ignored(api: RunningApi, provider: IdentityProvider) -> None:
    await api.make(name="Of the key's tenant")
    assert (await ask(api, provider.sign(), Key=KEY)).json()["data"] == []
    assert (await ask(api, provider.sign(exp=1), Key=KEY)).status_code == 401


def _unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims))
    return b".".join((*parts, b"")).decode()


async def test_every_cheat_is_a_clear_401(
    api: RunningApi, provider: IdentityProvider, subtests: pytest.Subtests
) -> None:
    now = time.time()
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "x", "exp": now + 300, "roles": "bosses"}
    pem = (
        provider.keys["one"]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    foreign = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    own_jwk = jwt.algorithms.RSAAlgorithm.to_jwk(foreign.public_key(), as_dict=True)
    hs256 = base64.urlsafe_b64encode(b"x").decode()
    swapped = jwt.api_jws.PyJWS().encode(
        json.dumps(claims).encode(), b"x" * 32, algorithm="HS256", headers={"kid": "one"}
    )
    with_public_key = _hmac_signed(claims, pem)
    good = provider.sign()
    cheats = {
        "none": _unsigned({"alg": "none", "kid": "one"}, claims),
        "nOnE": _unsigned({"alg": "nOnE", "kid": "one"}, claims),
        "alg is a list": _unsigned({"alg": ["RS256"], "kid": "one"}, claims),
        "kid is a list": _unsigned({"alg": "RS256", "kid": ["one"]}, claims),
        "no alg": _unsigned({"kid": "one"}, claims),
        "HS256": swapped,
        "HS256 with the public key": with_public_key,
        "another alg of the header": _unsigned({"alg": "ES256", "kid": "one"}, claims) + hs256,
        "foreign key": jwt.encode(claims, foreign, algorithm="RS256", headers={"kid": "one"}),
        "key in the token": jwt.encode(
            claims, foreign, algorithm="RS256", headers={"kid": "one", "jwk": own_jwk}
        ),
        "key set in the token": jwt.encode(
            claims, foreign, algorithm="RS256", headers={"kid": "one", "jku": provider.url + "?evil"}
        ),
        "kid of a file": jwt.encode(claims, foreign, "RS256", headers={"kid": "../../dev/null"}),
        "kid of SQL": jwt.encode(claims, foreign, "RS256", headers={"kid": "' OR 1=1 --"}),
        "crit": jwt.encode(
            claims, provider.keys["one"], "RS256", headers={"kid": "one", "crit": ["x"], "x": 1}
        ),
        "expired": provider.sign(exp=now - 60),
        "no exp": provider.sign(exp=None),
        "exp is text": provider.sign(exp="soon"),
        "exp is a list": provider.sign(exp=[now + 300]),
        "exp is endless": provider.sign(exp=float("inf")),
        "nbf is an object": provider.sign(nbf={}),
        "sub is a list": provider.sign(sub=["x"]),
        "not yet": provider.sign(nbf=now + 3_600),
        "no sub": provider.sign(sub=None),
        "empty sub": provider.sign(sub=""),
        "another issuer": provider.sign(iss="https://evil.example.com/"),
        "no issuer": provider.sign(iss=None),
        "another audience": provider.sign(aud="other"),
        "issuer is an object": provider.sign(aud={"a": 1}),
        "cut off": good[:-10],
        "other claims, old signature": ".".join(
            (good.split(".")[0], _unsigned({}, claims).split(".")[1], good.split(".")[2])
        ),
        "huge": provider.sign(filler="x" * 20_000),
        "dots": "..",
        "no JSON": "a.b.c",
        "no key id": _unsigned({"alg": "RS256"}, claims) + "x",
    }
    for name, token in cheats.items():
        with subtests.test(cheat=name):
            answer = await ask(api, token)
            assert answer.status_code == 401, answer.text
            assert answer.headers["www-authenticate"] == 'Bearer realm="smartlinks"'
            problem = answer.json()
            assert problem["type"] == "/problems/unauthorized"
            for leak in ("Traceback", "jwt.", "cryptography", provider.url, "acme", "BEGIN"):
                assert leak not in answer.text
    assert (await ask(api, provider.sign())).status_code == 200


def _hmac_signed(claims: dict[str, Any], key: bytes) -> str:
    """HS256 with bytes that PyJWT itself refuses to take for a secret."""
    head = _unsigned({"alg": "HS256", "kid": "one"}, claims)[:-1]
    signature = hmac.digest(key, head.encode(), hashlib.sha256)
    return f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


async def test_keys_rotate_and_unknown_ones_cause_no_flood(
    api: RunningApi, provider: IdentityProvider
) -> None:
    key_sets = api.access._key_sets
    now_s = time.monotonic()
    key_sets._clock_s = lambda: now_s
    assert (await ask(api, provider.sign())).status_code == 200
    assert provider.fetches == 1
    provider.add("two")
    for _ in range(5):
        assert (await ask(api, provider.sign(key_id="two"))).status_code == 401
    assert provider.fetches == 1  # within half a minute of the last look
    now_s += 31
    assert (await ask(api, provider.sign(key_id="two"))).status_code == 200
    assert provider.fetches == 2


async def test_a_key_set_on_a_private_address_is_not_fetched(
    api: RunningApi, provider: IdentityProvider
) -> None:
    api.access._key_sets._allowed = ()
    answer = await ask(api, provider.sign())
    assert answer.status_code == 503
    assert provider.fetches == 0
    assert "127.0.0.1" not in answer.text
