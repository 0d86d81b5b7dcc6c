"""Where a request comes from: what the proxies tell that we trust, and nobody else."""

from ipaddress import ip_network

import pytest

from orchestrator.nearby import told_by_proxies

TRUSTED = tuple(ip_network(text) for text in ("10.0.0.0/8", "192.0.2.7", "2001:db8::/32"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        # From elsewhere, or with nothing told: the peer.
        ("203.0.113.5", ["198.51.100.1"], "203.0.113.5"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        (None, ["198.51.100.1"], None),
        ("", ["198.51.100.1"], ""),
        # One proxy, and several.
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("192.0.2.7", ["198.51.100.1, 10.0.0.2,10.0.0.3"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1", "10.0.0.2"], "198.51.100.1"),
        ("2001:db8::1", ["2001:0DB9:0::7"], "2001:db9::7"),
        # What a client wrote himself stands before what was heard of him.
        ("10.0.0.1", ["127.0.0.1, 10.0.0.9, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["127.0.0.1", "198.51.100.1"], "198.51.100.1"),
        # All of them are ours: the first.
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        # With a port, in brackets, an IPv4 within IPv6, with a zone.
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db9::7]:4711"], "2001:db9::7"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["fe80::1%eth0"], "fe80::1"),
        # What is no address is believed no more than who told it.
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["198.51.100.1,"], "10.0.0.1"),
        ("10.0.0.1", ["[198.51.100.1", "999.1.1.1"], "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_on_the_way_who_is_no_proxy_of_ours(
    peer: str | None, forwarded: list[str], client: str | None
) -> None:
    assert told_by_proxies(peer, forwarded, TRUSTED) == client


@pytest.mark.parametrize("forwarded", [[], ["198.51.100.1"], ["198.51.100.1, 127.0.0.1"]])
def test_where_nobody_is_trusted_nothing_is_believed(forwarded: list[str]) -> None:
    assert told_by_proxies("127.0.0.1", forwarded, ()) == "127.0.0.1"
