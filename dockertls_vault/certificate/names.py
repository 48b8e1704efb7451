"""Parse host names, IP addresses and common names for certificates (RFC 5280, RFC 6125)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockertls_vault.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

# A host name label: letters, digits and hyphens, with no hyphen at either end (RFC 1123), plus
# underscores, which Compose generates and Go's crypto/x509 accepts.
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
# 255 octets in a DNS message (RFC 1035 §2.3.4).
LONGEST_NAME = 253
# A last label for which the whole name is parsed as an IPv4 address.
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
# The upper bound of X.520 (ub-common-name), which cryptography counts in UTF-8 bytes.
LONGEST_COMMON_NAME = 64
_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*):\d*")


@dataclass(frozen=True)
class Names:
    """The names in a certificate's SAN: DNS names and IP addresses, unique, in the order given."""

    dns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """DNS names first, then addresses."""
        return self.dns + self.addresses

    def without(self, *names: str) -> Names:
        """Return these names except ``names``."""
        return Names(
            tuple(kept for kept in self.dns if kept not in names),
            tuple(kept for kept in self.addresses if kept not in names),
        )


def parse_names(texts: Iterable[str]) -> Names:
    """Sort texts into host names and IP addresses; raises InvalidInput for one that is neither."""
    dns: dict[str, None] = {}
    addresses: dict[str, None] = {}
    for text in texts:
        address = parse_address(text)
        if address is None:
            dns[parse_dns_name(text)] = None
        else:
            addresses[address] = None
    return Names(tuple(dns), tuple(addresses))


def parse_address(text: str) -> str | None:
    """Return an IPv4 or IPv6 address in canonical form, None if ``text`` is not an address.

    An IPv4-mapped IPv6 address is returned as IPv4: Go, and so Docker and Vault, treats both as
    the same. Raises InvalidInput for an address with a zone (``fe80::1%eth0``), which a
    certificate cannot contain.
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise InvalidInput(
                f"an IP address with a zone is not valid in a certificate: {text!r}",
                hint=f"did you mean {bare.partition('%')[0]!r}?",
            )
        address = address.ipv4_mapped or address
    return str(address)


def parse_dns_name(text: str) -> str:
    """Return a host name in lower case, with internationalized labels as A-labels (IDNA 2008).

    A leading ``*.`` and underscores are accepted: the role decides whether to allow them.
    Raises InvalidInput, with a suggestion if there is an obvious one.
    """
    _refuse_url_parts(text)
    wildcard, name = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    if "*" in name:
        raise InvalidInput(
            f"a wildcard must be the whole first label: {text!r}",
            hint="write it as '*.example.com'",
        )
    name = _to_ascii(name, text)
    labels = name.split(".")
    if len(wildcard + name) > LONGEST_NAME or not all(map(_LABEL.fullmatch, labels)):
        raise InvalidInput(
            f"invalid host name: {text!r}",
            hint="use letters, digits, hyphens and underscores: up to 63 per label, 253 in total",
        )
    # Whatever inet_aton or a browser parses as an address, such as 0x7f000001 (WHATWG URL §3.5).
    if _NUMBER.fullmatch(labels[-1]):
        raise InvalidInput(f"neither a host name nor an IP address: {text!r}")
    return wildcard + name


def parse_common_name(text: str) -> str:
    """Return ``text`` if it is a valid common name; raises InvalidInput otherwise."""
    if not text.strip():
        raise InvalidInput("empty common name")
    if text != text.strip() or not text.isprintable():
        raise InvalidInput(
            f"common name with control characters or surrounding white space: {text!r}"
        )
    if len(text.encode()) > LONGEST_COMMON_NAME:
        raise InvalidInput(
            f"common name of {len(text.encode())} bytes is too long: {text!r}",
            hint=f"use at most {LONGEST_COMMON_NAME} bytes (X.520)",
        )
    return text


def _refuse_url_parts(text: str) -> None:
    """Raise InvalidInput for common mistakes: a URL, a path, a port, a list, a trailing dot."""
    if not text.strip():
        raise InvalidInput("empty name", hint="use a DNS name or an IP address")
    if "," in text:
        raise InvalidInput(
            f"several names in one value: {text!r}", hint="repeat the option for each"
        )
    if text != text.strip():
        raise _mistaken("name with surrounding white space", text, text.strip())
    if "://" in text:
        host, _, _ = text.partition("://")[2].partition("/")
        raise _mistaken("URL instead of a name", text, _without_port(host))
    if "/" in text:
        raise _mistaken("path instead of a name", text, text.partition("/")[0])
    if _without_port(text) != text:
        raise _mistaken("name with a port", text, _without_port(text))
    if text.endswith("."):
        raise _mistaken("name with a trailing dot", text, text.rstrip("."))


def _mistaken(what: str, text: str, name: str) -> InvalidInput:
    """Return an error that suggests ``name``, if anything is left of it."""
    suggestion = f"did you mean {name!r}?" if name else "use a DNS name or an IP address"
    return InvalidInput(f"{what}: {text!r}", hint=suggestion)


def _without_port(text: str) -> str:
    match = _PORT.fullmatch(text)
    return match["host"].strip("[]") if match else text


def _to_ascii(name: str, original: str) -> str:
    return ".".join(_label_to_ascii(label, original) for label in name.split("."))


def prepare() -> None:
    """Import what parsing a name in another script needs, for a thread that cannot import it."""
    _label_to_ascii("\N{LATIN SMALL LETTER U WITH DIAERESIS}", "")


def _label_to_ascii(label: str, original: str) -> str:
    if label.isascii() and not label.lower().startswith("xn--"):
        return label.lower()
    import idna

    try:
        return idna.encode(label, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise InvalidInput(f"invalid internationalized host name: {original!r} ({error})") from None
