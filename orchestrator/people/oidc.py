"""OpenID Connect: what a provider of identities says of somebody, believed once its signature and its claims are right.

The Authorization Code flow with PKCE, state and nonce (OpenID Connect Core 1.0, 3.1; RFC 7636; RFC 9700). The three are
derived from one secret in the browser's cookie, so nothing of a sign-in under way is kept here and any replica may end
it. Keys come from the provider's JWKS alone, and only asymmetric signatures count.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
from aiohttp import web
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet, import_key

from orchestrator.nearby import is_loopback

TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
ALGORITHMS: Final = tuple(f"{kind}{bits}" for kind in ("RS", "PS", "ES") for bits in (256, 384, 512))
KEPT_S, LEEWAY_S = 3600.0, 60
_DISCOVERY = "/.well-known/openid-configuration"


class OidcFailed(Exception):
    """The provider did not tell who somebody is; the text says why, and names nobody."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the provider speaks of. `subject`: its own name for him, for good; `email`: only if it has verified it."""

    subject: str
    email: str | None


@dataclass(frozen=True, slots=True)
class _Document:
    """What the provider tells of itself, and until when that is believed by the process's clock."""

    issuer: str
    authorization: str
    token: str
    jwks: str
    posts_secret: bool
    until: float


class Provider:
    """A provider of identities. `redirect_uri` is where it sends people back to."""

    def __init__(
        self, issuer: str, client_id: str, client_secret: str, redirect_uri: str, session: aiohttp.ClientSession
    ) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._redirect_uri = redirect_uri
        self._session = session
        self._document: _Document | None = None
        self._keys: KeySet | None = None

    async def way_in(self, secret: str, state: str) -> str:
        """The address where somebody says who he is. Raises OidcFailed."""
        document = await self._described()
        challenge = hashlib.sha256(derived(secret, "verifier").encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect_uri,
            "scope": "openid email",
            "state": state,
            "nonce": derived(secret, "nonce"),
            "code_challenge": _base64url(challenge),
            "code_challenge_method": "S256",
        }
        return f"{document.authorization}{'&' if '?' in document.authorization else '?'}{urlencode(asked)}"

    async def identity(self, secret: str, code: str) -> Identity:
        """Who came back with a code. Raises OidcFailed."""
        document = await self._described()
        token = await self._redeemed(document, code, derived(secret, "verifier"))
        claims = await self._verified(document, token)
        return self._believed(document, claims, derived(secret, "nonce"))

    async def _described(self) -> _Document:
        if self._document is None or self._document.until < time.monotonic():
            told = await self._ask("GET", self._issuer + _DISCOVERY)
            self._document, self._keys = self._read(told), None
        return self._document

    def _read(self, told: Mapping[str, Any]) -> _Document:
        issuer = _text(told, "issuer")
        if issuer.rstrip("/") != self._issuer:
            raise OidcFailed("the discovery document is of another issuer")
        ways = told.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        return _Document(
            issuer=issuer,
            authorization=_address(told, "authorization_endpoint"),
            token=_address(told, "token_endpoint"),
            jwks=_address(told, "jwks_uri"),
            posts_secret="client_secret_basic" not in ways,
            until=time.monotonic() + KEPT_S,
        )

    async def _redeemed(self, document: _Document, code: str, verifier: str) -> str:
        """The ID token that a code stands for."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": verifier,
        }
        headers = {}
        if document.posts_secret:
            form |= {"client_id": self._client_id, "client_secret": self._client_secret}
        else:
            # Both are form-encoded before they are joined (RFC 6749, 2.3.1).
            pair = (quote(self._client_id, safe=""), quote(self._client_secret, safe=""))
            headers = {"Authorization": aiohttp.encode_basic_auth(*pair)}
        return _text(await self._ask("POST", document.token, form, headers), "id_token")

    async def _verified(self, document: _Document, token: str) -> dict[str, Any]:
        """The claims of a token that one of the provider's keys signed; keys that are new to us are fetched once."""
        try:
            if self._keys is not None:
                return _decoded(token, self._keys)
        except InvalidKeyIdError:
            pass
        except (JoseError, ValueError) as error:
            raise OidcFailed(f"the ID token is not signed as it should be ({type(error).__name__})") from error
        self._keys = _key_set(await self._ask("GET", document.jwks))
        try:
            return _decoded(token, self._keys)
        except (JoseError, ValueError) as error:
            raise OidcFailed(f"the ID token is not signed as it should be ({type(error).__name__})") from error

    def _believed(self, document: _Document, claims: dict[str, Any], nonce: str) -> Identity:
        """Hold the claims against what was asked (OpenID Connect Core 1.0, 3.1.3.7)."""
        registry = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": document.issuer},
            aud={"essential": True, "value": self._client_id},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
            sub={"essential": True},
        )
        try:
            registry.validate(claims)
        except JoseError as error:
            raise OidcFailed(f"a claim is not as it should be ({type(error).__name__}: {error})") from error
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if several else self._client_id) != self._client_id:
            raise OidcFailed("the ID token was made for another client")
        email = claims.get("email") if claims.get("email_verified") is True else None
        return Identity(f"{document.issuer} {claims['sub']}", email if isinstance(email, str) else None)

    async def _ask(
        self,
        method: str,
        url: str,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        try:
            async with self._session.request(
                method, url, data=form, headers=headers, timeout=TIMEOUT, allow_redirects=False
            ) as response:
                told = await response.json(content_type=None) if response.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise OidcFailed(f"the provider does not answer ({type(error).__name__})") from error
        if not isinstance(told, dict):
            raise OidcFailed(f"the provider answered {response.status} to {method} {urlsplit(url).path}")
        return told


PROVIDER = web.AppKey("provider", Provider)


def derived(secret: str, what: str) -> str:
    """43 characters that only who has the secret can name, a different row for each use."""
    return _base64url(hmac.new(secret.encode(), what.encode(), hashlib.sha256).digest())


def state_of(secret: str, going_to: str) -> str:
    """What goes to the provider and back: proof of the cookie, and where somebody wanted to go."""
    return f"{derived(secret, f'state {going_to}')}.{_base64url(going_to.encode())}"


def going_to_of(secret: str, state: str) -> str | None:
    """Where somebody wanted to go; None if the state was not made with this secret."""
    try:
        found = base64.urlsafe_b64decode(state.partition(".")[2] + "==").decode()
    except ValueError:
        return None
    is_ours = hmac.compare_digest(state.encode("utf-8", "surrogateescape"), state_of(secret, found).encode())
    return found if is_ours else None


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(token: str, keys: KeySet) -> dict[str, Any]:
    return jwt.decode(token, keys, algorithms=ALGORITHMS).claims


def _key_set(told: Mapping[str, Any]) -> KeySet:
    """The provider's public keys for signatures; what is of a kind we do not know is passed over (RFC 7517, 5)."""
    keys = []
    for entry in told.get("keys") or ():
        if isinstance(entry, dict) and entry.get("kty") in ("RSA", "EC") and entry.get("use", "sig") == "sig":
            try:
                keys.append(import_key(entry))
            except (JoseError, ValueError, KeyError, TypeError):
                continue
    return KeySet(keys)


def _text(told: Mapping[str, Any], name: str) -> str:
    found = told.get(name)
    if not isinstance(found, str) or not found:
        raise OidcFailed(f"the provider's answer lacks {name}")
    return found


def _address(told: Mapping[str, Any], name: str) -> str:
    """An address of the provider: no key and no secret goes over the network in clear."""
    found = _text(told, name)
    parts = urlsplit(found)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise OidcFailed(f"{name} is no https address")
    return found
