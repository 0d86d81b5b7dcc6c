"""The authorities are read for the first connection over TLS: nobody unknown is believed, and somebody known is."""

import datetime
import ipaddress
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

GET = """
import asyncio, sys
from orchestrator.authorities import authorities_unread, read_authorities
with authorities_unread():
    import aiohttp
from aiohttp import connector
import uvloop

assert not connector._SSL_CONTEXT_VERIFIED.get_ca_certs()
if "at-once" in sys.argv:
    read_authorities()
    assert connector._SSL_CONTEXT_VERIFIED.get_ca_certs()

async def get():
    async with aiohttp.ClientSession() as session, session.get(sys.argv[1]) as answer:
        return answer.status

print({"asyncio": asyncio, "uvloop": uvloop}[sys.argv[2]].run(get()))
"""


class Polite(BaseHTTPRequestHandler):
    """Answers 204 to everybody."""

    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_given: object) -> None:
        """Nothing."""


def certificate(folder: Path, name: str) -> Path:
    """A certificate of 127.0.0.1 that nobody but itself vouches for, and its key, in one file."""
    key, today = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{name}.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return path


@contextmanager
def listening(path: Path) -> Iterator[str]:
    """A server with this certificate; its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with HTTPServer(("127.0.0.1", 0), Polite) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"https://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def got(url: str, authority: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SSL_CERT_FILE": str(authority), "SSL_CERT_DIR": str(authority.parent / "none")}
    return subprocess.run(
        [sys.executable, "-c", GET, url, *words], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("words", [("asyncio",), ("uvloop",), ("uvloop", "at-once")])
def test_who_is_vouched_for_is_believed_and_nobody_else(tmp_path: Path, words: tuple[str, ...]) -> None:
    ours, other = certificate(tmp_path, "ours"), certificate(tmp_path, "other")
    with listening(ours) as url:
        assert got(url, ours, *words).stdout == "204\n"
        assert "CERTIFICATE_VERIFY_FAILED" in got(url, other, *words).stderr


def test_what_is_made_afterwards_reads_them_as_ever() -> None:
    from orchestrator.authorities import authorities_unread

    with authorities_unread():
        unread = ssl.create_default_context()
    assert not unread.get_ca_certs()
    assert len(ssl.create_default_context().get_ca_certs()) > 0


def test_the_command_that_serves_has_read_none_of_them() -> None:
    start = (
        "import sys; from orchestrator import cli;"
        "told = lambda **_given: print(len(sys.modules['aiohttp.connector']._SSL_CONTEXT_VERIFIED.get_ca_certs()));"
        "cli.Settings.load = lambda **_given: sys.exit(told());"
        "sys.argv[1:] = ['serve']; cli.main()"
    )
    started = subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, check=False)
    assert started.stdout == "0\n", started.stderr
