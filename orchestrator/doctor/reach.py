"""Whether Twilio would reach the service: through PUBLIC_URL, as Twilio does it, and with a signature like its own.

An event of a type nobody knows is signed and posted. It leaves nothing behind, and 200 proves that the service
there checks signatures against the URL and token that are set here; 403 to a wrong signature proves that it checks.
"""

from urllib.parse import urlsplit

import aiohttp
from twilio.request_validator import RequestValidator

from orchestrator.connecting.wanted import is_loopback, public_base
from orchestrator.doctor.findings import Finding, ok, skipped, wrong
from orchestrator.settings import Settings

LIMIT = aiohttp.ClientTimeout(total=5)
START = "expert-hub serve, or PUBLIC_URL"


async def reach(settings: Settings, session: aiohttp.ClientSession) -> list[Finding]:
    """Two findings: the URL, and the signed round trip."""
    at = await _url(settings, session)
    if at.verdict == "wrong":
        return [at, skipped("signatures", "PUBLIC_URL does not lead to the service")]
    return [at, await _signed(settings, session)]


async def _url(settings: Settings, session: aiohttp.ClientSession) -> Finding:
    try:
        base = public_base(settings.public_url, local=settings.sandbox_mode)
    except ValueError as error:
        return wrong("public URL", f"PUBLIC_URL {error}", "PUBLIC_URL")
    if is_loopback(urlsplit(base).hostname or "") and not settings.sandbox_mode and settings.twilio_api_url is None:
        return wrong("public URL", "PUBLIC_URL is loopback, where Twilio cannot reach it", "PUBLIC_URL")
    try:
        async with session.get(f"{base}/healthz", timeout=LIMIT, allow_redirects=False) as answer:
            status = answer.status
    except aiohttp.ClientConnectorCertificateError:
        return wrong("public URL", "its certificate is not trusted, and Twilio takes no other", "the certificate")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return wrong("public URL", f"nobody answers at {base} ({type(error).__name__})", START)
    if 300 <= status < 400:
        return wrong("public URL", f"{base} redirects ({status}), which loses what Twilio posts", "PUBLIC_URL")
    if status != 200:
        return wrong("public URL", f"{base}/healthz is answered {status}", START)
    return ok("public URL", f"{base} is answered")


async def _signed(settings: Settings, session: aiohttp.ClientSession) -> Finding:
    url = f"{settings.public_url}/post-event"
    form = {"EventType": "onNothing", "AccountSid": settings.twilio_account_sid, "Source": "expert-hub doctor"}
    signature = RequestValidator(settings.twilio_auth_token.get_secret_value()).compute_signature(url, form)
    try:
        taken = await _posted(session, url, form, signature)
        forged = await _posted(session, url, form, signature[::-1])
    except (aiohttp.ClientError, OSError) as error:
        return wrong("signatures", f"nobody answers at {url} ({type(error).__name__})", START)
    if taken == 403:
        there = "the service there has another PUBLIC_URL or TWILIO_AUTH_TOKEN than is set here"
        return wrong("signatures", f"ours is refused (403): {there}", "PUBLIC_URL, TWILIO_AUTH_TOKEN")
    if taken != 200:
        return wrong("signatures", f"{url} is answered {taken}, not 200", "what stands between Twilio and the service")
    if forged != 403:
        return wrong("signatures", f"a wrong one is answered {forged}, not 403: it is not expert-hub", "PUBLIC_URL")
    return ok("signatures", "URL and token agree; a wrong signature is refused")


async def _posted(session: aiohttp.ClientSession, url: str, form: dict[str, str], signature: str) -> int:
    headers = {"X-Twilio-Signature": signature}
    async with session.post(url, data=form, headers=headers, timeout=LIMIT, allow_redirects=False) as answer:
        return answer.status
