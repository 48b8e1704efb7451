"""Read the fields of Vault's responses, checking their types; pure.

A field of another type does not come from Vault, and raises NotVault. Messages do not quote values:
they may be secrets.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dockertls_vault.errors import NotVault

if TYPE_CHECKING:
    from collections.abc import Mapping

# Seconds; Vault stores a duration as nanoseconds in a signed 64-bit integer.
_LONGEST = 2**63 // 10**9
# A chain has three or four certificates, and a few more if CAs are cross-signed.
_LONGEST_CHAIN = 32


def data(body: Any) -> dict[str, Any]:
    """Return the ``data`` object of a response."""
    found = body.get("data") if isinstance(body, dict) else None
    if not isinstance(found, dict):
        raise NotVault("the server did not respond like Vault: the response has no data")
    return found


def text(fields: Mapping[str, Any], name: str) -> str:
    """Return a non-empty string that UTF-8 can encode: one without lone surrogates."""
    found = fields.get(name)
    if not isinstance(found, str) or not found or not _is_utf8(found):
        raise _wrong(name)
    return found


def texts(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return a list of such strings; empty for null, which is how Go encodes an empty list."""
    found = fields.get(name)
    if found is None:
        return ()
    if not isinstance(found, list):
        raise _wrong(name)
    if not all(isinstance(entry, str) and _is_utf8(entry) for entry in found):
        raise _wrong(name)
    return tuple(found)


def optional_text(fields: Mapping[str, Any], name: str) -> str | None:
    """Return such a string; None if it is missing or empty, which in Go means the same."""
    return text(fields, name) if fields.get(name) else None


def certificate(fields: Mapping[str, Any], name: str) -> str:
    """Return PEM with at most _LONGEST_CHAIN certificates."""
    return _short(name, (text(fields, name),))[0]


def chain(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return a list of PEM with at most _LONGEST_CHAIN certificates in total."""
    return _short(name, texts(fields, name))


def rows(fields: Mapping[str, Any], name: str) -> dict[str, dict[str, Any]]:
    """Return an object whose values are objects."""
    found = fields.get(name)
    if not isinstance(found, dict) or not all(isinstance(row, dict) for row in found.values()):
        raise _wrong(name)
    return found


def like(fields: dict[str, Any], template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields, if each that ``template`` has is null or of the same type as there."""
    for name, example in template.items():
        if fields.get(name) is None:
            continue
        if isinstance(example, list):
            texts(fields, name)
        elif isinstance(example, bool | str):
            if not isinstance(fields[name], type(example)):
                raise _wrong(name)
        else:
            seconds(fields, name)
    return fields


def number(fields: Mapping[str, Any], name: str) -> int:
    """Return an integer; 0 if it is missing."""
    found = fields.get(name)
    if found is None:
        return 0
    if not isinstance(found, int) or isinstance(found, bool):
        raise _wrong(name)
    return found


def seconds(fields: Mapping[str, Any], name: str) -> timedelta:
    """Return a duration given in seconds; 0 if it is missing."""
    found = number(fields, name)
    if not 0 <= found <= _LONGEST:
        raise _wrong(name)
    return timedelta(seconds=found)


def _short(name: str, pems: tuple[str, ...]) -> tuple[str, ...]:
    """Return ``pems``; raises NotVault for so many that path building would take long."""
    count = sum(pem.count("-----BEGIN ") for pem in pems)
    if count > _LONGEST_CHAIN:
        raise NotVault(f"the response has {count} certificates in {name!r}: too many for a chain")
    return pems


def _is_utf8(found: str) -> bool:
    try:
        found.encode()
    except UnicodeEncodeError:
        return False
    return True


def _wrong(name: str) -> NotVault:
    return NotVault(
        f"the server did not respond like Vault: {name!r} is missing or of the wrong type"
    )
