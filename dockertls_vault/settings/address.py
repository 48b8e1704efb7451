"""The address of a server, parsed and normalized once; pure.

A scheme in capitals, an internationalized name, an explicit default port: however it is written, a
server has one form here. Whether a connection is encrypted, is local, or may carry the token is
decided on this type, never on text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Self
from urllib.parse import SplitResult, urljoin, urlsplit

from dockertls_vault.certificate.names import LONGEST_NAME
from dockertls_vault.errors import InvalidInput

_PORTS = {"http": 80, "https": 443}
_UNIX = "unix://"
_WEB = re.compile("https?://", re.IGNORECASE)
# A scheme, if there is any, however it is set off from the rest; quotes are those of an env file.
_SCHEME = re.compile(r"[\s\"']*(?:([a-z]*)(?::/{1,2}|//))?", re.IGNORECASE)
_AFTER_PATH = re.compile(r"[\s\"'?#]")
# The characters of a label that a host name can have; DNS itself allows more.
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_ZONE = re.compile(r"[\w.-]+", re.ASCII)


@dataclass(frozen=True)
class Address:
    """A server and a base path; ``str`` returns it as a URL.

    ``scheme`` is http, https or unix. ``host`` is a lower-case name in A-labels (RFC 5890), with
    the trailing dot if it was given (which disables DNS search domains), or an IP address without
    brackets; for a Unix socket it is empty, and ``path`` is the file. ``port`` is None if it is
    the scheme's default. ``path`` starts with a slash and does not end with one, or is empty.
    """

    scheme: str
    host: str
    port: int | None = None
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``http://host:port/path``, ``https://…`` or ``unix:///file``.

        Raises InvalidInput, which does not quote a text with an ``@``: it may contain a password.
        """
        if text.startswith(_UNIX) and text != _UNIX:
            return cls("unix", "", path=text.removeprefix(_UNIX))
        parts, host, port = _split(text)
        if parts.username is not None or parts.query or parts.fragment:
            raise InvalidInput(
                f"an address cannot have a user, a query or a fragment: {parts.scheme}://{host}"
            )
        return cls(parts.scheme, host, port, parts.path.rstrip("/"))

    @classmethod
    def guess(cls, text: str) -> Self | None:
        """Return what ``text``, which cannot be parsed, most likely means, None if that is unclear.

        The scheme is https if none is known, or http on this machine. User, query and fragment
        are left out.
        """
        written = _SCHEME.match(text)
        scheme, rest = (written[1] or "", text[written.end() :]) if written else ("", text)
        server, *_ = _AFTER_PATH.split(rest.rpartition("@")[2])
        if scheme.lower() == "unix":
            return None
        try:
            found = cls.parse(f"https://{server}")
            is_http = scheme.lower() == "http" or (not scheme and found.is_loopback)
            return cls.parse(f"http://{server}") if is_http else found
        except InvalidInput:
            return None

    @property
    def is_unix(self) -> bool:
        """Whether it is a Unix socket."""
        return self.scheme == "unix"

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, according to its name or IP address."""
        if self.is_unix:
            return True
        if (ip := self.ip) is not None:
            return ip.is_loopback
        return self.name == "localhost" or self.name.endswith(".localhost")

    @property
    def ip(self) -> IPv4Address | IPv6Address | None:
        """The host if it is an IP address; an IPv4-mapped IPv6 address is returned as IPv4."""
        return parse_ip(self.host)

    @property
    def name(self) -> str:
        """The host without a trailing dot, the form in which names are compared."""
        return self.host.removesuffix(".")

    @property
    def effective_port(self) -> int:
        """The port, or the scheme's default."""
        return self.port or _PORTS[self.scheme]

    @property
    def authority(self) -> str:
        """Host and port, as in a URL."""
        host = f"[{self.host.replace('%', '%25')}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def root(self) -> str:
        """The server without a path."""
        return f"{self.scheme}://{self.authority}"

    def __str__(self) -> str:
        return f"{self.root}{self.path}"


@dataclass(frozen=True)
class Target:
    """The URL of a request: ``path`` is absolute, and ``query`` has no question mark."""

    server: Address
    path: str
    query: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse an absolute http or https URL; raises InvalidInput."""
        parts, host, port = _split(text)
        if parts.username is not None:
            raise InvalidInput(f"URL with a user: {parts.scheme}://{host}")
        return cls(Address(parts.scheme, host, port), parts.path or "/", parts.query)

    def join(self, location: str) -> Self:
        """Return ``location`` resolved against this URL (RFC 3986 §5); raises InvalidInput."""
        try:
            return type(self).parse(urljoin(str(self), location))
        except ValueError:
            raise InvalidInput("invalid redirect target") from None

    def __str__(self) -> str:
        query = f"?{self.query}" if self.query else ""
        return f"{self.server.root}{self.path}{query}"


@dataclass(frozen=True)
class Proxy:
    """A proxy and its ``user:password``, still percent-encoded."""

    address: Address
    credentials: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``http://user:password@host:port``; raises InvalidInput, which never quotes it."""
        try:
            parts, host, port = _split(text)
        except InvalidInput:
            raise InvalidInput("invalid proxy URL") from None
        credentials, at, _ = parts.netloc.rpartition("@")
        return cls(Address(parts.scheme, host, port), credentials if at else None)


def parse_host(text: str) -> str:
    """Return a host name or IP address in the form of ``Address.host``; raises InvalidInput."""
    bare, percent, zone = text.partition("%")
    try:
        address = ip_address(bare)
    except ValueError:
        pass
    else:
        zone = zone.removeprefix("25") if percent else ""
        if percent and (isinstance(address, IPv4Address) or not _ZONE.fullmatch(zone)):
            raise InvalidInput(f"invalid host name: {text!r}")
        return f"{address}%{zone}" if zone else str(address)
    name = _to_ascii(text)
    labels = name.removesuffix(".").split(".")
    if len(name) > LONGEST_NAME or not all(map(_LABEL.fullmatch, labels)):
        raise InvalidInput(f"invalid host name: {text!r}")
    return name


def parse_ip(text: str) -> IPv4Address | IPv6Address | None:
    """Return ``text`` as an IP address, an IPv4-mapped one as IPv4; None if it is not one."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def _split(text: str) -> tuple[SplitResult, str, int | None]:
    """Return the parts of a URL, its host and its port; raises InvalidInput."""
    quoted = "" if "@" in text else f": {text!r}"
    if not _WEB.match(text):
        raise InvalidInput(f"not an http:// or https:// URL{quoted}")
    refused = InvalidInput(f"invalid host or port in the URL{quoted}")
    if not text.isprintable() or text != text.strip():  # urlsplit silently removes some of these
        raise refused
    try:
        parts = urlsplit(text)
        port = parts.port
        host = parse_host(parts.hostname or "")
    except (ValueError, InvalidInput):
        raise refused from None
    if port == 0:
        raise refused
    return parts, host, None if port == _PORTS[parts.scheme] else port


def _to_ascii(name: str) -> str:
    if name.isascii():
        return name.lower()
    import idna

    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise InvalidInput(f"invalid host name: {name!r}") from None
