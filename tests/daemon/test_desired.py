"""Where dockerd is to listen, and its settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockertls_vault.daemon.desired import parse_listen, parse_listens, settings
from dockertls_vault.errors import InvalidInput

EVERY_IPV4 = "0.0.0.0"  # noqa: S104 - parsed


@pytest.mark.parametrize(
    ("text", "shown", "stream", "reached"),
    [
        ("2376", "[::]:2376", "2376", "127.0.0.1:2376"),
        ("[::]:2377", "[::]:2377", "2377", "127.0.0.1:2377"),
        (EVERY_IPV4, "0.0.0.0:2376", "0.0.0.0:2376", "127.0.0.1:2376"),
        ("10.0.0.7:99", "10.0.0.7:99", "10.0.0.7:99", "10.0.0.7:99"),
        ("tcp://10.0.0.7:99", "10.0.0.7:99", "10.0.0.7:99", "10.0.0.7:99"),
        ("2001:db8::07", "[2001:db8::7]:2376", "[2001:db8::7]:2376", "[2001:db8::7]:2376"),
        ("[::1]:99", "[::1]:99", "[::1]:99", "[::1]:99"),
    ],
)
def test_listen(text: str, shown: str, stream: str, reached: str) -> None:
    """A port alone is every address, IPv4 too; systemd gets it without one."""
    listen = parse_listen(text)
    assert (str(listen), listen.stream, listen.endpoint.authority) == (shown, stream, reached)
    assert parse_listen(str(listen)) == listen


def test_every_address_is_reached_by_both_families() -> None:
    """Only IPv4 for that of IPv4, and any other one as it is."""
    reached = {
        text: [each.authority for each in parse_listen(text).endpoints]
        for text in ("2376", EVERY_IPV4, "[::1]:99")
    }
    assert reached == {
        "2376": ["[::1]:2376", "127.0.0.1:2376"],
        EVERY_IPV4: ["127.0.0.1:2376"],
        "[::1]:99": ["[::1]:99"],
    }


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "docker1:2376", "0", "65536", "10.0.0.7:", "fe80::1%eth0", "unix:///run/x"),
        *("224.0.0.1", "255.255.255.255:2376", "ff02::1"),
    ],
)
def test_invalid_listen(text: str) -> None:
    """A name could resolve to another host; and a group of hosts has no port to connect to."""
    with pytest.raises(InvalidInput):
        parse_listen(text)


@pytest.mark.parametrize(
    ("texts", "included"),
    [
        (["2376", EVERY_IPV4], "0.0.0.0:2376"),
        (["10.0.0.7", "[::]:2376"], "10.0.0.7:2376"),
        (["::1", "2376"], "[::1]:2376"),
        ([EVERY_IPV4, "10.0.0.7"], "10.0.0.7:2376"),
    ],
)
def test_listens_that_overlap(texts: list[str], included: str) -> None:
    """The kernel would refuse the second one."""
    with pytest.raises(InvalidInput, match="includes") as refused:
        parse_listens(texts)
    assert refused.value.hint == f"leave out {included}"


def test_one_of_two_that_overlap_can_be_open() -> None:
    """Whichever is the wider."""
    every, one, other = map(parse_listen, ("2376", "10.0.0.7", "10.0.0.8"))
    assert every.overlaps(one)
    assert one.overlaps(every)
    assert not one.overlaps(other)


def test_listens_that_do_not() -> None:
    """Other ports, other families, and repetitions."""
    found = parse_listens([EVERY_IPV4, "::1", "2377", "0.0.0.0:2376"])
    assert list(map(str, found)) == ["0.0.0.0:2376", "[::1]:2376", "[::]:2377"]


def test_settings_are_complete() -> None:
    """Without tlscacert, dockerd would accept clients of every public CA."""
    paths = [Path("/a/ca.pem"), Path("/a/cert.pem"), Path("/a/key.pem")]
    found = settings(paths, live_restore=True)
    assert found == {
        "tlsverify": True,
        "tlscacert": "/a/ca.pem",
        "tlscert": "/a/cert.pem",
        "tlskey": "/a/key.pem",
        "live-restore": True,
    }
    assert "live-restore" not in settings(paths, live_restore=False)


@pytest.mark.parametrize(
    ("listen", "address", "expected"),
    [
        ("2376", "::", True),
        ("2376", EVERY_IPV4, True),
        ("2376", "127.0.0.1", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "::", False),
    ],
)
def test_socket_is_open_at_its_address(listen: str, address: str, expected: bool) -> None:
    """As the kernel lists it: by IPv4 alone on a host without IPv6."""
    assert parse_listen(listen).is_opened_as(address) is expected
