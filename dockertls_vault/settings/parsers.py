"""What the value of a setting may be, wherever it was found; pure.

Each function takes what a flag, a variable or a file says, and raises InvalidInput where it
makes no sense.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from dockertls_vault.certificate.request import KeyType
from dockertls_vault.duration import parse_duration
from dockertls_vault.errors import InvalidInput

from .address import Address, Proxy, Target, parse_host

_TRUE = {"1", "t", "T", "true", "True", "TRUE"}
_FALSE = {"0", "f", "F", "false", "False", "FALSE"}
_ZERO = re.compile(r"0+(ns|us|ms|[smhd])?")
# GenericNameRegex of Vault's sdk/framework, in Go's ASCII.
_ROLE = re.compile(r"\w([\w.-]*\w)?", re.ASCII)
_COUNT = re.compile(r"[0-9]{1,9}")
# How long Vault's own command line lets a request take.
REQUEST_TIMEOUT = timedelta(seconds=60)


class Method(StrEnum):
    """How Vault comes to know who we are: with a token that is there, or by a login."""

    TOKEN = "token"  # noqa: S105 - the name of a method
    APPROLE = "approle"
    JWT = "jwt"
    KUBERNETES = "kubernetes"
    CERT = "cert"
    USERPASS = "userpass"
    LDAP = "ldap"


def text(value: object) -> str:
    """Return a text as it is; C ends it at a NUL, which only a file can have in it."""
    if not isinstance(value, str):
        raise InvalidInput(f"not a string: {value!r}")
    if "\0" in value:
        raise InvalidInput(f"a string with a NUL character: {value!r}")
    return value


def boolean(value: object) -> bool:
    """Return what Go's strconv.ParseBool takes, which Vault's own command line calls."""
    if isinstance(value, bool):
        return value
    if text(value) in _TRUE | _FALSE:
        return value in _TRUE
    raise InvalidInput(f"neither true nor false: {value!r}")


def count(value: object) -> int:
    """Return a number that is not negative."""
    if isinstance(value, bool) or not _COUNT.fullmatch(str(value)):
        raise InvalidInput(f"not a count: {value!r}")
    return int(str(value))


def duration(value: object) -> timedelta:
    """Return a duration (duration.py)."""
    return parse_duration(str(value))


def request_timeout(value: object) -> timedelta:
    """Return how long a request may take, as Vault's own command line reads it.

    Zero is the default, and what is negative means that there is no limit.
    """
    written = str(value)
    if written.startswith("-"):
        parse_duration(written.removeprefix("-"))
        return timedelta.max
    return REQUEST_TIMEOUT if _ZERO.fullmatch(written) else parse_duration(written)


def path(value: object) -> Path:
    """Return a path, with ``~`` as the home directory."""
    try:
        return Path(text(value)).expanduser()
    except (RuntimeError, UnicodeError):  # the latter for a user whose name is no text
        raise InvalidInput(
            f"a path in an unknown home directory: {value!r}",
            hint="set HOME, or write the path in full",
        ) from None


def mount(value: object) -> str:
    """Return a path in Vault without slashes around it."""
    name = text(value).strip("/")
    if not name or any(not part or part in {".", ".."} for part in name.split("/")):
        raise InvalidInput(f"invalid path in Vault: {value!r}")
    # Words of a policy, a URL or a shell; and a dash begins a flag of `bao`.
    if not name.isprintable() or name[0] == "-" or set(name) & set(" ?#%*+\\\"'`${}"):
        raise InvalidInput(f"invalid path in Vault: {value!r}")
    return name


def namespace(value: object) -> str | None:
    """Return the path of a namespace as Vault's own command line cleans it up; None is the root."""
    parts = [part for part in text(value).strip().split("/") if part]
    if {".", ".."}.intersection(parts) or not all(part.isprintable() for part in parts):
        raise InvalidInput(f"invalid namespace: {value!r}")
    return "/".join(parts) or None


def role(value: object) -> str:
    """Return the name of a role, of which Vault has none that is written otherwise."""
    name = text(value).strip("/")
    if not _ROLE.fullmatch(name):
        raise InvalidInput(
            f"invalid role name: {value!r}",
            hint="use letters, digits and underscores, with dashes and dots only in between",
        )
    return name


def user(value: object) -> str:
    """Return the name of a user, which becomes one part of a path."""
    name = text(value)
    if not name.isprintable() or not name.strip() or set(name) & set("/?#%\\"):
        raise InvalidInput(f"invalid user name: {value!r}")
    return name


def variable(value: object) -> str:
    """Return the name of a variable of the environment."""
    name = text(value)
    if not name.isidentifier() or not name.isascii():
        raise InvalidInput(f"invalid variable name: {value!r}")
    return name


def method(value: object) -> Method:
    """Return a way to log in."""
    try:
        return Method(text(value).lower())
    except ValueError:
        raise InvalidInput(
            f"unknown auth method: {value!r}", hint=f"there are: {', '.join(Method)}"
        ) from None


def key_type(value: object) -> KeyType:
    """Return a type of private key."""
    try:
        return KeyType(text(value).lower())
    except ValueError:
        raise InvalidInput(
            f"unknown key type: {value!r}", hint=f"there are: {', '.join(KeyType)}"
        ) from None


def host(value: object) -> str:
    """Return the name or the address of a host, as far as it can be looked up and sent as SNI."""
    return parse_host(text(value))


def url(value: object) -> Target:
    """Return an address with http or https, whatever else is in it."""
    return Target.parse(text(value))


def proxy(value: object) -> Proxy:
    """Return the address of a proxy; what is wrong is not quoted, for it may have a password."""
    try:
        return Proxy.parse(text(value))
    except InvalidInput:
        raise InvalidInput(
            "not an HTTP proxy", hint="write it as http://proxy.example.com:3128"
        ) from None


def addresses(value: object) -> tuple[Address, ...]:
    """Return addresses, from a list or separated by commas, each once."""
    parts = value if isinstance(value, list) else text(value).split(",")
    found = tuple(_address(text(part).strip()) for part in parts)
    if not found:
        raise InvalidInput("no Vault address in the list")
    return tuple(dict.fromkeys(found))


def _address(value: str) -> Address:
    try:
        address = Address.parse(value)
    except InvalidInput as error:
        meant = Address.guess(value) or "https://vault.example.com:8200"
        raise InvalidInput(error.message, hint=f"write it as {meant}") from None
    if address.is_unix:
        return address
    return replace(address, path=address.path.removesuffix("/v1"))
