"""A provider of identities on loopback: discovery, authorization, token and keys, with real signatures.

What a dishonest or broken one would do differently, a test says in `claims`, `header`, `signed_by` and `discovery`.
"""

import base64
import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

CLIENT_ID, CLIENT_SECRET = "hub", "s3cret: with & signs"
Key = RSAKey | ECKey | OctKey


def _rsa(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})


@dataclass
class IdentityProvider:
    """The provider, and who is signed in there. `asked`: the paths that were asked for, in order."""

    url: str = ""
    subject: str = "7"
    email: str | None = "boss@example.test"
    verified: Any = True
    keys: list[Key] = field(default_factory=lambda: [_rsa("one")])
    signed_by: Key | None = None
    header: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    discovery: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    async def describe(self, request: web.Request) -> web.Response:
        """Everything a client must know."""
        self.asked.append(request.path)
        told = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
        }
        return web.json_response(told | self.discovery)

    async def authorize(self, request: web.Request) -> web.Response:
        """Whoever comes is signed in already, and is sent back with a code."""
        asked = dict(request.query)
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert asked["code_challenge_method"] == "S256"
        assert set(asked["scope"].split()) == {"openid", "email"}
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked
        back = urlencode({"code": code, "state": asked["state"]})
        return web.Response(status=302, headers={"Location": f"{asked['redirect_uri']}?{back}"})

    async def redeem(self, request: web.Request) -> web.Response:
        """A code for an ID token, once, for whoever can prove that he asked for it."""
        form = await request.post()
        self.asked.append(request.path)
        asked = self._codes.pop(str(form["code"]), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form["code_verifier"]).encode()).digest()).rstrip(b"=")
        is_ours = self._is_client(request, form) and asked is not None
        if not is_ours or asked is None or asked["code_challenge"].encode() != challenge:
            return web.json_response({"error": "invalid_grant"}, status=400)
        assert form["redirect_uri"] == asked["redirect_uri"]
        return web.json_response({"access_token": "a", "token_type": "Bearer", "id_token": self._token(asked["nonce"])})

    def _is_client(self, request: web.Request, form: Any) -> bool:
        if "token_endpoint_auth_methods_supported" in self.discovery:
            return (form["client_id"], form["client_secret"]) == (CLIENT_ID, CLIENT_SECRET)
        return request.headers["Authorization"] == aiohttp.encode_basic_auth(
            CLIENT_ID, "s3cret%3A%20with%20%26%20signs"
        )

    def _token(self, nonce: str) -> str:
        now = int(time.time())
        told: dict[str, Any] = {"iss": self.url, "aud": CLIENT_ID, "sub": self.subject, "nonce": nonce}
        told |= {"iat": now, "exp": now + 300, "email_verified": self.verified}
        if self.email is not None:
            told["email"] = self.email
        claims = {name: value for name, value in (told | self.claims).items() if value is not None}
        key = self.signed_by or self.keys[0]
        algorithm = "ES256" if isinstance(key, ECKey) else "RS256"
        header = {"alg": algorithm, "kid": key.kid} | self.header
        if header["alg"] == "none":
            return ".".join([_part(header), _part(claims), ""])
        return jwt.encode(header, claims, key, algorithms=[header["alg"]])

    async def show_keys(self, request: web.Request) -> web.Response:
        """The public halves of the keys, among others that are of no use."""
        self.asked.append(request.path)
        others: list[Any] = [{"kty": "no such"}, {"kty": "RSA"}, "nonsense", {"kty": "EC", "use": "enc"}]
        return web.json_response({"keys": others + [key.as_dict(private=False) for key in self.keys]})


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@asynccontextmanager
async def providing() -> AsyncIterator[IdentityProvider]:
    """A provider, for as long as this lasts."""
    provider = IdentityProvider()
    app = web.Application()
    app.add_routes(
        [
            web.get("/.well-known/openid-configuration", provider.describe),
            web.get("/authorize", provider.authorize),
            web.post("/token", provider.redeem),
            web.get("/keys", provider.show_keys),
        ]
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield provider
    finally:
        await runner.cleanup()
