"""Names: which are accepted, which are refused, and what the hint suggests."""

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

LONGEST_NAME = ".".join(["a" * 63] * 3 + ["a" * 61])  # 253 characters


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("", "use a DNS name or an IP address"),
        ("   ", "use a DNS name or an IP address"),
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
        ("a-.example.com", "letters, digits, hyphens and underscores"),
        ("-a.example.com", "letters, digits, hyphens and underscores"),
        ("a..example.com", "letters, digits, hyphens and underscores"),
        ("a" * 64 + ".example.com", "63 per label"),
        (f"{LONGEST_NAME}a", "253 in total"),
        ("host\x00.example.com", "letters, digits, hyphens and underscores"),
        ("host example", "letters, digits, hyphens and underscores"),
    ],
)
def test_refused_name_has_a_suggestion(text: str, suggestion: str) -> None:
    """For each common mistake, the hint says what to write instead."""
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
def test_mistyped_address_is_not_taken_for_a_name(text: str) -> None:
    """A name whose last label is a number can only be a mistyped address."""
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
        (LONGEST_NAME, LONGEST_NAME),
        ("3com.example", "3com.example"),
        ("App_db_1.compose_default", "app_db_1.compose_default"),
        ("_docker.example", "_docker.example"),
        ("app_1.bücher.example", "app_1.xn--bcher-kva.example"),
        ("bücher\u3002example", "xn--bcher-kva.example"),
    ],
)
def test_name_is_normalized_as_in_certificates(text: str, name: str) -> None:
    """Case is folded, international labels become A-labels, and a wildcard is kept."""
    assert parse_dns_name(text) == name


@pytest.mark.parametrize("text", ["xn--\N{SNOWMAN}.example", "xn--a.example", "\u200d.example"])
def test_invalid_international_name_is_refused(text: str) -> None:
    """A name that IDNA rejects is not passed on."""
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
def test_address_is_returned_in_canonical_form(text: str, address: str | None) -> None:
    """Certificates are compared in that form; for any other text the result is None."""
    assert parse_address(text) == address


def test_names_keep_their_order_without_duplicates() -> None:
    """The first of two equal names is kept, however either was written."""
    names = parse_names(["b.example", "10.0.0.1", "B.example", "a.example", "::ffff:10.0.0.1"])
    assert names == Names(("b.example", "a.example"), ("10.0.0.1",))
    assert names.without("b.example").all == ("a.example", "10.0.0.1")


@given(st.lists(LABELS, min_size=1, max_size=4))
def test_parsing_a_host_name_is_idempotent(labels: list[str]) -> None:
    """Parsing a parsed name changes nothing."""
    name = ".".join(labels)
    assert parse_dns_name(parse_dns_name(name)) == name


@given(st.ip_addresses())
def test_parsing_an_address_is_idempotent(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """Parsing a parsed address changes nothing; IPv4-mapped ones become IPv4 first."""
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        return
    parsed = parse_address(str(address))
    assert parsed is not None
    assert parse_address(parsed) == parsed
    mapped = getattr(address, "ipv4_mapped", None)
    assert ipaddress.ip_address(parsed) == (mapped or address)


@given(st.text(max_size=80))
def test_any_text_gives_a_clean_name_or_is_refused(text: str) -> None:
    """The result has only characters of names and addresses, whatever was typed."""
    try:
        names = parse_names([text])
    except InvalidInput:
        return
    assert len(names.all) == 1
    assert set(names.all[0]) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.*:")


@pytest.mark.parametrize("text", ["", " ", " alice", "alice\n", "a\x1b[0m", "a" * 65, "é" * 33])
def test_misleading_common_name_is_refused(text: str) -> None:
    """Control characters, surrounding white space, or more than X.520 allows."""
    with pytest.raises(InvalidInput):
        parse_common_name(text)


@pytest.mark.parametrize("text", ["alice", "alice@host", "Jörg Müller", "a" * LONGEST_COMMON_NAME])
def test_common_name_is_used_as_given(text: str) -> None:
    """It is an identity for logs, so it is not normalized."""
    assert parse_common_name(text) == text
