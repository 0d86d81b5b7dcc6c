"""The certificate authorities, read for the first connection that is to be verified instead of at the start.

aiohttp reads them while it is imported, and a second time for connections that verify nothing. Where they are one file,
as on Debian, that is a tenth of a start, and neither webhooks nor readiness need any of them.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_unread: list[ssl.SSLContext] = []


@contextmanager
def authorities_unread() -> Iterator[None]:
    """Around an import: what would read the authorities meanwhile reads them when it is first used."""
    ssl.SSLContext.set_default_verify_paths = _put_off  # type: ignore[assignment]
    try:
        yield
    finally:
        del ssl.SSLContext.set_default_verify_paths


def read_authorities() -> None:
    """Read what was put off. The interpreter is not held meanwhile: in a thread, nobody waits for it."""
    for context in _unread:
        _read(context)
    _unread.clear()


def _put_off(context: ssl.SSLContext) -> None:
    """Every connection over TLS goes through `wrap_bio`, asyncio's as well as uvloop's."""

    def wrap_bio(*given: Any, **named: Any) -> ssl.SSLObject:
        _read(context)
        return context.wrap_bio(*given, **named)

    context.wrap_bio = wrap_bio  # type: ignore[method-assign]
    _unread.append(context)


def _read(context: ssl.SSLContext) -> None:
    """Before anybody can find it unread; to read them twice does no harm."""
    context.set_default_verify_paths()
    vars(context).pop("wrap_bio", None)
