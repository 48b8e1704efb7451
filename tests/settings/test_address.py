"""Addresses of servers: one canonical form, and no secret in any message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockertls_vault.errors import InvalidInput
from dockertls_vault.settings.address import Address, Proxy, Target, parse_host

LONG = "a" * 64


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("https://vault.example:8200", "https://vault.example:8200"),
        ("HTTPS://Vault.EXAMPLE:8200/", "https://vault.example:8200"),
        ("https://vault.example:443", "https://vault.example"),
        ("http://vault.example:80", "http://vault.example"),
        ("http://vault.example:443", "http://vault.example:443"),
        ("https://vault.example:", "https://vault.example"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://vault.example.", "https://vault.example."),
        ("https://my_vault:8200/a%20b//", "https://my_vault:8200/a%20b"),
        ("http://[::1]:8200", "http://[::1]:8200"),
        ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
        ("http://[fe80::1%25eth0]:8200", "http://[fe80::1%25eth0]:8200"),
        ("http://[fe80::1%eth0]", "http://[fe80::1%25eth0]"),
        ("unix:///run/vault.sock", "unix:///run/vault.sock"),
    ],
)
def test_address_has_one_canonical_form(text: str, form: str) -> None:
    """Lower-case scheme and host, no default port; parsing the form again changes nothing."""
    address = Address.parse(text)
    assert str(address) == form
    assert Address.parse(form) == address


@pytest.mark.parametrize(
    "text",
    [
        "", "vault.example:8200", "//vault.example", "/v1", "https://", "https://:8200", "unix://",
        "ftp://vault", "tcp://vault", "https://[", "https://[::1", "https://vault:0",
        "https://vault:65536", "https://vault:-1", "https://vault:x", f"https://{LONG}",
        "https://a..b", "https://.a", f"https://{'a.' * 130}", "https://a b", "https://a%41",
        "https://a\\b", "https://vault/\x1b[2J", "https://vault/\n", "\thttps://vault",
        " https://vault", "https://vault\u202e", "https://va\u2028ult", "https://vault?query",
        "https://vault#fragment", "https://user@vault", "https://1.2.3.4%25eth0",
        "https://[fe80::1%25a/b]",
    ],
)  # fmt: skip
def test_invalid_address_is_refused(text: str) -> None:
    """Parsing it is an error, so it never reaches a connection."""
    with pytest.raises(InvalidInput):
        Address.parse(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("vault.example:8200", "https://vault.example:8200"),
        ("vault", "https://vault"),
        ("192.0.2.1:8200/a", "https://192.0.2.1:8200/a"),
        ("localhost:8200", "http://localhost:8200"),
        ("[::1]:8200", "http://[::1]:8200"),
        ("tcp://vault:8200", "https://vault:8200"),
        ("htps://vault:8200", "https://vault:8200"),
        ("http:/vault:8200", "http://vault:8200"),
        ("https//vault", "https://vault"),
        ("//vault", "https://vault"),
        ("HTTP://vault ", "http://vault"),
        ('"https://vault:8200"', "https://vault:8200"),
        ("https://vault:8200?x=1", "https://vault:8200"),
        ("https://vault/#/login", "https://vault"),
        ("https://me:s3cret@vault:8200", "https://vault:8200"),
        ("https://me:12?@vault", "https://vault"),
        ("unix:/run/vault.sock", None),
        ("https://vault:port", None),
        ("https:\\\\vault", None),
        ("/v1", None),
        ("unix://", None),
        ("", None),
    ],
)
def test_suggestion_for_an_invalid_address(text: str, meant: str | None) -> None:
    """The user's address in a valid form, without any password."""
    with pytest.raises(InvalidInput):
        Address.parse(text)
    guessed = Address.guess(text)
    assert (guessed and str(guessed)) == meant


@pytest.mark.parametrize(
    "text",
    [
        "https://me:s3cret@vault", "https://me:s3cret@vault:x", "https://me:s3cret@", "me:s3cret@h",
        "https://me:s3cret@a..b", "ftp://me:s3cret@vault", "https://me:s3cret@[", "//me:s3cret@h\n",
    ],
)  # fmt: skip
def test_password_in_an_address_is_never_shown(text: str) -> None:
    """Whatever else is wrong with it; the same for a proxy's."""
    for parse in (Address.parse, Target.parse, Proxy.parse):
        try:
            said = repr(parse(text))
        except InvalidInput as error:
            said = f"{error.message} {error.hint} {Address.guess(text)}"
        assert "s3cret" not in said


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("http://localhost", True),
        ("HTTP://LOCALHOST.", True),
        ("http://a.localhost", True),
        ("http://127.1.2.3", True),
        ("http://[::1]", True),
        ("http://[::ffff:127.0.0.1]", True),
        ("unix:///run/vault.sock", True),
        ("http://localhost.example", False),
        ("http://127.0.0.1.example", False),
        ("http://10.0.0.1", False),
    ],
)
def test_loopback_address_is_recognized(text: str, loopback: bool) -> None:
    """By its host name or IP address, in any form."""
    assert Address.parse(text).is_loopback is loopback


@pytest.mark.parametrize(
    ("text", "address", "credentials"),
    [
        ("http://proxy:3128", "http://proxy:3128", None),
        ("HTTP://me:p%40ss@Proxy:3128/x", "http://proxy:3128", "me:p%40ss"),
        ("https://me@proxy", "https://proxy", "me"),
    ],
)
def test_proxy_address_and_credentials_are_separated(
    text: str, address: str, credentials: str | None
) -> None:
    """Only the address may be shown."""
    proxy = Proxy.parse(text)
    assert (str(proxy.address), proxy.credentials) == (address, credentials)


@given(st.text(max_size=80))
def test_any_text_gives_a_valid_host_or_is_refused(text: str) -> None:
    """The result is a name or an IP address that parses to itself."""
    try:
        host = parse_host(text)
    except InvalidInput:
        return
    assert host.isascii()
    assert not set(host) & set(" /?#@\\[]\"'")
    assert parse_host(host) == host
