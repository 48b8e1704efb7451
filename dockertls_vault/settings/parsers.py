"""Parse the value of a setting, whichever source it comes from; pure.

Each function takes the value of a flag, an environment variable or a key of a TOML file, and raises
InvalidInput if it is not valid.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from dockertls_vault.certificate.request import KeyType
from dockertls_vault.duration import parse_duration
from dockertls_vault.errors import InvalidInput

from .address import Address, Proxy, Target, parse_host
from .method import Method

_TRUE = {"1", "t", "T", "true", "True", "TRUE"}
_FALSE = {"0", "f", "F", "false", "False", "FALSE"}
_ZERO = re.compile(r"0+(ns|us|ms|[smhd])?")
# GenericNameRegex of Vault's sdk/framework; \w is ASCII only in Go.
_ROLE = re.compile(r"\w([\w.-]*\w)?", re.ASCII)
_COUNT = re.compile(r"[0-9]{1,9}")
# The default request timeout of Vault's command line.
REQUEST_TIMEOUT = timedelta(seconds=60)


def text(value: object) -> str:
    """Return a string unchanged; raises for a NUL, which ends a string in system calls."""
    if not isinstance(value, str):
        raise InvalidInput(f"not a string: {value!r}")
    if "\0" in value:
        raise InvalidInput(f"string with a NUL character: {value!r}")
    return value


def boolean(value: object) -> bool:
    """Return a boolean, as Go's strconv.ParseBool reads it; Vault's command line uses that."""
    if isinstance(value, bool):
        return value
    if text(value) in _TRUE | _FALSE:
        return value in _TRUE
    raise InvalidInput(f"not a boolean: {value!r}")


def count(value: object) -> int:
    """Return a non-negative integer."""
    if isinstance(value, bool) or not _COUNT.fullmatch(str(value)):
        raise InvalidInput(f"not a non-negative integer: {value!r}")
    return int(str(value))


def duration(value: object) -> timedelta:
    """Return a duration, as duration.py reads it."""
    return parse_duration(str(value))


def request_timeout(value: object) -> timedelta:
    """Return the timeout of a request, as Vault's command line reads it.

    Zero means the default, and a negative duration no limit.
    """
    written = str(value)
    if written.startswith("-"):
        parse_duration(written.removeprefix("-"))
        return timedelta.max
    return REQUEST_TIMEOUT if _ZERO.fullmatch(written) else parse_duration(written)


def path(value: object) -> Path:
    """Return a path, with ``~`` expanded to the home directory."""
    try:
        return Path(text(value)).expanduser()
    except (RuntimeError, UnicodeError):  # UnicodeError: the user name cannot be encoded
        raise InvalidInput(
            f"home directory not found: {value!r}",
            hint="set HOME, or use an absolute path",
        ) from None


def mount(value: object) -> str:
    """Return the path of a mount, without leading and trailing slashes."""
    name = text(value).strip("/")
    if not name or any(not part or part in {".", ".."} for part in name.split("/")):
        raise InvalidInput(f"invalid path in Vault: {value!r}")
    # Special characters of policies, URLs and shells; and `bao` takes a leading dash for a flag.
    if not name.isprintable() or name[0] == "-" or set(name) & set(" ?#%*+\\\"'`${}"):
        raise InvalidInput(f"invalid path in Vault: {value!r}")
    return name


def namespace(value: object) -> str | None:
    """Return the path of a namespace, as Vault's command line normalizes it; None is the root."""
    parts = [part for part in text(value).strip().split("/") if part]
    if {".", ".."}.intersection(parts) or not all(part.isprintable() for part in parts):
        raise InvalidInput(f"invalid namespace: {value!r}")
    return "/".join(parts) or None


def role(value: object) -> str:
    """Return the name of a role; raises for a name that Vault would not accept."""
    name = text(value).strip("/")
    if not _ROLE.fullmatch(name):
        raise InvalidInput(
            f"invalid role name: {value!r}",
            hint="use letters, digits, underscores, dashes and dots; it cannot start or end with "
            "a dash or a dot",
        )
    return name


def user(value: object) -> str:
    """Return the name of a user, which becomes one segment of a path in Vault."""
    name = text(value)
    if not name.isprintable() or not name.strip() or set(name) & set("/?#%\\"):
        raise InvalidInput(f"invalid user name: {value!r}")
    return name


def variable(value: object) -> str:
    """Return the name of an environment variable."""
    name = text(value)
    if not name.isidentifier() or not name.isascii():
        raise InvalidInput(f"invalid environment variable name: {value!r}")
    return name


def method(value: object) -> Method:
    """Return an auth method."""
    try:
        return Method(text(value).lower())
    except ValueError:
        raise InvalidInput(
            f"unknown auth method: {value!r}", hint=f"choose one of: {', '.join(Method)}"
        ) from None


def key_type(value: object) -> KeyType:
    """Return a private key type."""
    try:
        return KeyType(text(value).lower())
    except ValueError:
        raise InvalidInput(
            f"unknown key type: {value!r}", hint=f"choose one of: {', '.join(KeyType)}"
        ) from None


def host(value: object) -> str:
    """Return a host name or IP address that can be resolved and sent as SNI."""
    return parse_host(text(value))


def url(value: object) -> Target:
    """Return an http or https URL, with its path and query."""
    return Target.parse(text(value))


def proxy(value: object) -> Proxy:
    """Return the URL of a proxy; errors do not quote it, because it may contain a password."""
    try:
        return Proxy.parse(text(value))
    except InvalidInput:
        raise InvalidInput(
            "invalid HTTP proxy URL", hint="write it as http://proxy.example.com:3128"
        ) from None


def addresses(value: object) -> tuple[Address, ...]:
    """Return addresses from a list or a comma-separated string, without duplicates."""
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
