"""Host names, addresses and common names, as certificates hold them (RFC 5280, RFC 6125)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockertls_vault.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

# A host name's label: letters, digits and hyphens, no hyphen at either end (RFC 1123); and
# underscores, which Compose makes and Go's crypto/x509 takes.
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_LONGEST_NAME = 253
# A last label that makes an address of the whole name.
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
# X.520's upper bound (ub-common-name), which cryptography counts in bytes of UTF-8.
LONGEST_COMMON_NAME = 64
_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*):\d*")


@dataclass(frozen=True)
class Names:
    """The names of one certificate's SAN: DNS names and addresses, each once, in given order."""

    dns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """DNS names first, then addresses."""
        return self.dns + self.addresses

    def without(self, *names: str) -> Names:
        """Return the names but for ``names``."""
        return Names(
            tuple(kept for kept in self.dns if kept not in names),
            tuple(kept for kept in self.addresses if kept not in names),
        )


def parse_names(texts: Iterable[str]) -> Names:
    """Tell host names and addresses apart; raises InvalidInput at the first that is neither."""
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
    """Return an IPv4 or IPv6 address in its canonical form, None if ``text`` is not one.

    An IPv4 address mapped into IPv6 is returned as IPv4: Go, and so Docker and Vault, takes
    the two for the same. An address with a zone (``fe80::1%eth0``) has no place in a
    certificate and raises InvalidInput.
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise InvalidInput(
                f"an address with a zone is not valid in a certificate: {text!r}",
                hint=f"did you mean {bare.partition('%')[0]!r}?",
            )
        address = address.ipv4_mapped or address
    return str(address)


def parse_dns_name(text: str) -> str:
    """Return a host name in lower case, its international labels as A-labels (IDNA 2008).

    A leading ``*.`` and underscores are let through: whether they are allowed is the role's
    business.
    Raises InvalidInput, with a suggestion where there is one.
    """
    _refuse_what_surrounds_a_name(text)
    wildcard, name = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    if "*" in name:
        raise InvalidInput(
            f"a wildcard must be the whole first label: {text!r}",
            hint="write it as '*.example.com'",
        )
    name = _to_ascii(name, text)
    labels = name.split(".")
    if len(wildcard + name) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, labels)):
        raise InvalidInput(
            f"invalid host name: {text!r}",
            hint="use letters, digits, hyphens and underscores, up to 63 a label and 253 in total",
        )
    # However inet_aton or a browser would read it, 0x7f000001 too (WHATWG URL, 3.5).
    if _NUMBER.fullmatch(labels[-1]):
        raise InvalidInput(f"neither a host name nor an IP address: {text!r}")
    return wildcard + name


def parse_common_name(text: str) -> str:
    """Return ``text`` if it can be a certificate's common name, else raise InvalidInput."""
    if not text.strip():
        raise InvalidInput("empty common name")
    if text != text.strip() or not text.isprintable():
        raise InvalidInput(
            f"common name with control characters or surrounding white space: {text!r}"
        )
    if len(text.encode()) > LONGEST_COMMON_NAME:
        raise InvalidInput(
            f"a common name of {len(text.encode())} bytes: {text!r}",
            hint=f"it has {LONGEST_COMMON_NAME} at most (X.520)",
        )
    return text


def _refuse_what_surrounds_a_name(text: str) -> None:
    """Raise InvalidInput for what people put where a name belongs: a URL, a port, a dot."""
    if not text.strip():
        raise InvalidInput("an empty name", hint="give a DNS name or an IP address")
    if "," in text:
        raise InvalidInput(f"several names in a value: {text!r}", hint="repeat the option for each")
    if text != text.strip():
        raise _surrounded("surrounding white space in a name", text, text.strip())
    if "://" in text:
        host, _, _ = text.partition("://")[2].partition("/")
        raise _surrounded("a URL instead of a name", text, _without_port(host))
    if "/" in text:
        raise _surrounded("a path instead of a name", text, text.partition("/")[0])
    if _without_port(text) != text:
        raise _surrounded("a port in a name", text, _without_port(text))
    if text.endswith("."):
        raise _surrounded("a trailing dot in a name", text, text.rstrip("."))


def _surrounded(what: str, text: str, name: str) -> InvalidInput:
    return InvalidInput(f"{what}: {text!r}", hint=_mean(name))


def _mean(suggestion: str) -> str:
    return f"did you mean {suggestion!r}?" if suggestion else "give a DNS name or an IP address"


def _without_port(text: str) -> str:
    match = _PORT.fullmatch(text)
    return match["host"].strip("[]") if match else text


def _to_ascii(name: str, original: str) -> str:
    return ".".join(_label_to_ascii(label, original) for label in name.split("."))


def _label_to_ascii(label: str, original: str) -> str:
    if label.isascii() and not label.lower().startswith("xn--"):
        return label.lower()
    import idna

    try:
        return idna.encode(label, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise InvalidInput(f"invalid international host name: {original!r} ({error})") from None
