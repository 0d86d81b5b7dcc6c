"""Web Push: a word to a browser that is closed (RFC 8030, 8291, 8292).

A convenience and not the outbox: it is tried once, right after the commit, and what fails is logged. The text is the
same for everybody and names nobody, for it passes through a stranger's server and lands on a lock screen.
"""

import asyncio
import ipaddress
import json
import socket
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import aiohttp
import structlog
from aiohttp import web

from orchestrator.service import Service
from storage import subscriptions
from storage.subscriptions import Subscription

log = structlog.get_logger()
TEXT: Final = "A customer is waiting"
CALL_LIMIT_S: Final = 10.0
# After that nobody needs to be called any more, in seconds.
KEPT_FOR_S: Final = 600
_GONE: Final = (404, 410)


class Hosts(Protocol):
    """Which places may be called, and how; a test has push services of its own."""

    async def may_call(self, endpoint: str) -> bool:
        """Whether a URL a browser sent is one to call."""

    def connector(self) -> aiohttp.BaseConnector:
        """What calls it."""


class PublicHosts:
    """https, at a host with a public name: a browser must not make us call our own neighbours. Names are resolved once
    more when they are called, and what is not public then is not called."""

    async def may_call(self, endpoint: str) -> bool:
        """See Hosts."""
        host = _named_host(endpoint)
        try:
            return host is not None and bool(await PublicResolver().resolve(host, 443))
        except OSError:
            return False

    def connector(self) -> aiohttp.BaseConnector:
        """See Hosts."""
        return aiohttp.TCPConnector(resolver=PublicResolver())


class PublicResolver(aiohttp.ThreadedResolver):
    """Finds only hosts none of whose addresses is private."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[aiohttp.abc.ResolveResult]:
        """Raises OSError for every other."""
        found = await super().resolve(host, port, family)
        if not all(ipaddress.ip_address(one["host"].partition("%")[0]).is_global for one in found):
            raise OSError("the host is not a public one")
        return found


def _named_host(endpoint: str) -> str | None:
    """The host of an https URL without anything unusual; None for an address instead of a name, and for the rest."""
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    is_plain = parts.scheme == "https" and port in (None, 443) and "@" not in parts.netloc and "." in host
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host if is_plain else None
    return None


@dataclass(slots=True)
class Push:
    """Who rings. `subscribed` is set whenever somebody has said where to ring him."""

    hosts: Hosts = field(default_factory=PublicHosts)
    subscribed: asyncio.Event = field(default_factory=asyncio.Event)
    _vapid: Any = None

    async def public_key(self, service: Service) -> str:
        """What browsers subscribe with: the uncompressed point, base64url."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
        from py_vapid.utils import b64urlencode

        vapid = await self._key(service)
        point = vapid.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return str(b64urlencode(point))

    async def ring(self, service: Service, to: Subscription, about: str) -> None:
        """Ring once; never raises. `about` makes a later ring for the same take the place of this one."""
        try:
            status = await self._send(service, to, about)
        except Exception as error:
            # Whatever it is, a library's or the network's, it must not cost more than this ring.
            log.warning("push_failed", person=to.person_id, error=type(error).__name__)
            return
        if status in _GONE:
            await service.writer.run(lambda unit: subscriptions.forget(unit, to.endpoint))
        log.info("push_sent" if status < 300 else "push_refused", person=to.person_id, status=status)

    async def _send(self, service: Service, to: Subscription, about: str) -> int:
        if not await self.hosts.may_call(to.endpoint):
            return _GONE[1]
        headers, body = await self._sealed(service, to, about)
        timeout = aiohttp.ClientTimeout(total=CALL_LIMIT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=self.hosts.connector()) as session,
            session.post(to.endpoint, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            return answer.status

    async def _sealed(self, service: Service, to: Subscription, about: str) -> tuple[dict[str, str], bytes]:
        from pywebpush import WebPusher

        info = {"endpoint": to.endpoint, "keys": {"p256dh": to.p256dh, "auth": to.auth}}
        word = json.dumps({"text": TEXT, "tag": about}).encode()
        sealed = WebPusher(info).encode(word, content_encoding="aes128gcm")
        parts = urlsplit(to.endpoint)
        ours = urlsplit(service.settings.public_url)
        # RFC 8292, 2.1: whom a push service complains to.
        who = f"https://{ours.hostname}" if ours.scheme == "https" else "mailto:operator@example.test"
        vapid = await self._key(service)
        signed = vapid.sign({"sub": who, "aud": f"{parts.scheme}://{parts.netloc}"})
        fixed = {"TTL": str(KEPT_FOR_S), "Urgency": "high", "Topic": about[-32:], "Content-Encoding": "aes128gcm"}
        return {**signed, **fixed}, bytes(sealed["body"])

    async def _key(self, service: Service) -> Any:
        """The key pair, made once for a database and kept in it."""
        if self._vapid is None:
            from py_vapid import Vapid02

            pem = await service.reader.read(subscriptions.key)
            if pem is None:
                fresh = Vapid02()
                fresh.generate_keys()
                made = fresh.private_pem().decode()
                pem = await service.writer.run(lambda unit: subscriptions.keep_key(unit, made))
            self._vapid = Vapid02.from_pem(pem.encode())
        return self._vapid


PUSH: Final = web.AppKey("push", Push)
