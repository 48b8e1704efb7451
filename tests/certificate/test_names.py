"""Names: what is accepted, what is refused and with which suggestion."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockertls_vault.certificate.names import (
    LONGEST_COMMON_NAME,
    Names,
    parse_address,
    parse_common_name,
    parse_dns_name,
    parse_names,
)
from dockertls_vault.errors import InvalidInput

LABELS = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True).filter(
    lambda label: not label.startswith("xn--")
)


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("", "give a DNS name or an IP address"),
        ("   ", "give a DNS name or an IP address"),
        (" docker.example.com", "'docker.example.com'"),
        ("tcp://docker.example.com:2376", "'docker.example.com'"),
        ("tcp://[2001:db8::1]:2376", "'2001:db8::1'"),
        ("https://docker.example.com/path", "'docker.example.com'"),
        ("docker.example.com:2376", "'docker.example.com'"),
        ("[2001:db8::1]:2376", "'2001:db8::1'"),
        ("docker.example.com/24", "'docker.example.com'"),
        ("10.0.0.0/24", "'10.0.0.0'"),
        ("docker.example.com.", "'docker.example.com'"),
        ("1.2.3.4.", "'1.2.3.4'"),
        ("a.*.example.com", "'*.example.com'"),
        ("*", "'*.example.com'"),
        ("fe80::1%eth0", "'fe80::1'"),
        ("a.example,b.example", "repeat the option for each"),
        ("10.0.0.1,10.0.0.2", "repeat the option for each"),
        ("-a.example.com", "letters, digits, hyphens and underscores"),
        ("a..example.com", "letters, digits, hyphens and underscores"),
        ("a" * 64 + ".example.com", "63 a label"),
        (".".join(["a" * 60] * 5), "253 in total"),
        ("host\x00.example.com", "letters, digits, hyphens and underscores"),
        ("host example", "letters, digits, hyphens and underscores"),
    ],
)
def test_refused_names_come_with_a_suggestion(text: str, suggestion: str) -> None:
    """Each way in which people get a name wrong is refused, and the hint says what to write."""
    with pytest.raises(InvalidInput) as refusal:
        parse_names([text])
    assert suggestion in refusal.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.256",
        "1.2.3",
        "300",
        "host.1",
        "127.1",
        "0177.0.0.1",
        "0x7f000001",
        "0X7F.1",
        "1.2.0x3",
        "host.0x",
        "*.0x1",
        "１０.０.０.１",  # noqa: RUF001 - full width
    ],
)
def test_what_is_almost_an_address_is_not_a_name(text: str) -> None:
    """A name whose last label is a number could only be a mistyped address."""
    with pytest.raises(InvalidInput, match="neither a host name nor an IP address"):
        parse_names([text])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Docker.Example.COM", "docker.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("XN--bcher-KVA.example", "xn--bcher-kva.example"),
        ("*.example.com", "*.example.com"),
        ("localhost", "localhost"),
        ("3com.example", "3com.example"),
        ("App_db_1.compose_default", "app_db_1.compose_default"),
        ("_docker.example", "_docker.example"),
        ("app_1.bücher.example", "app_1.xn--bcher-kva.example"),
        ("bücher\u3002example", "xn--bcher-kva.example"),
    ],
)
def test_names_are_written_as_certificates_hold_them(text: str, name: str) -> None:
    """Case is folded, international labels become A-labels, a wildcard is let through."""
    assert parse_dns_name(text) == name


@pytest.mark.parametrize("text", ["xn--\N{SNOWMAN}.example", "xn--a.example", "\u200d.example"])
def test_broken_international_names_are_refused(text: str) -> None:
    """What IDNA refuses is not passed on."""
    with pytest.raises(InvalidInput):
        parse_dns_name(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("[::1]", "::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("docker.example.com", None),
        ("010.0.0.1", None),
    ],
)
def test_addresses_are_told_apart_and_canonical(text: str, address: str | None) -> None:
    """An address comes out in the one form it is compared in; anything else is no address."""
    assert parse_address(text) == address


def test_names_keep_their_order_and_lose_their_doubles() -> None:
    """The first of two equal names stays, however it was written."""
    names = parse_names(["b.example", "10.0.0.1", "B.example", "a.example", "::ffff:10.0.0.1"])
    assert names == Names(("b.example", "a.example"), ("10.0.0.1",))
    assert names.without("b.example").all == ("a.example", "10.0.0.1")


@given(st.lists(LABELS, min_size=1, max_size=4))
def test_any_host_name_is_accepted_and_stays(labels: list[str]) -> None:
    """Parsing a parsed name changes nothing."""
    name = ".".join(labels)
    assert parse_dns_name(parse_dns_name(name)) == name


@given(st.ip_addresses())
def test_any_address_is_accepted_and_stays(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """Parsing a parsed address changes nothing; only a mapped one is another afterwards."""
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        return
    parsed = parse_address(str(address))
    assert parsed is not None
    assert parse_address(parsed) == parsed
    mapped = getattr(address, "ipv4_mapped", None)
    assert ipaddress.ip_address(parsed) == (mapped or address)


@given(st.text(max_size=80))
def test_any_text_is_a_clean_name_or_refused(text: str) -> None:
    """Whatever is typed, what comes out holds only characters of names and addresses."""
    try:
        names = parse_names([text])
    except InvalidInput:
        return
    assert len(names.all) == 1
    assert set(names.all[0]) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.*:")


@pytest.mark.parametrize("text", ["", " ", " alice", "alice\n", "a\x1b[0m", "a" * 65, "é" * 33])
def test_common_names_that_would_lie_are_refused(text: str) -> None:
    """No control characters, no white space around it, no more than X.520 allows."""
    with pytest.raises(InvalidInput):
        parse_common_name(text)


@pytest.mark.parametrize("text", ["alice", "alice@host", "Jörg Müller", "a" * LONGEST_COMMON_NAME])
def test_common_names_of_people_are_kept(text: str) -> None:
    """A common name is an identity to log; it is used as it was given."""
    assert parse_common_name(text) == text
