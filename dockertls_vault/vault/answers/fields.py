"""Fields of Vault's answers, each read as what it must be; pure.

What is of another type was not made by Vault, and raises NotVault. Values are not quoted: they
may be secrets.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dockertls_vault.errors import NotVault

if TYPE_CHECKING:
    from collections.abc import Mapping

# Vault keeps a duration in nanoseconds in 64 bits.
_LONGEST = 2**63 // 10**9
# From a leaf to its root there are three or four, and some more where CAs sign each other.
_LONGEST_CHAIN = 32


def data(body: Any) -> dict[str, Any]:
    """Return the data of an answer."""
    found = body.get("data") if isinstance(body, dict) else None
    if not isinstance(found, dict):
        raise NotVault("the answer has no data, as Vault's would")
    return found


def text(fields: Mapping[str, Any], name: str) -> str:
    """Return a text that can be written in UTF-8, unlike half of a surrogate pair."""
    found = fields.get(name)
    if not isinstance(found, str) or not found or not _is_utf8(found):
        raise _wrong(name)
    return found


def texts(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return a list of such texts; none where there is no list, as Go writes an empty one."""
    found = fields.get(name)
    if found is None:
        return ()
    if not isinstance(found, list):
        raise _wrong(name)
    if not all(isinstance(entry, str) and _is_utf8(entry) for entry in found):
        raise _wrong(name)
    return tuple(found)


def optional_text(fields: Mapping[str, Any], name: str) -> str | None:
    """Return such a text, None where there is none, as Go writes an empty one or leaves it out."""
    return text(fields, name) if fields.get(name) else None


def certificate(fields: Mapping[str, Any], name: str) -> str:
    """Return PEM, with no more certificates than a chain has."""
    return _short(name, (text(fields, name),))[0]


def chain(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return a list of PEM, with no more certificates in all than a chain has."""
    return _short(name, texts(fields, name))


def rows(fields: Mapping[str, Any], name: str) -> dict[str, dict[str, Any]]:
    """Return objects by their names."""
    found = fields.get(name)
    if not isinstance(found, dict) or not all(isinstance(row, dict) for row in found.values()):
        raise _wrong(name)
    return found


def like(fields: dict[str, Any], template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields; what ``template`` has as well is null, or of the same type."""
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
    """Return a whole number; 0 where there is none."""
    found = fields.get(name)
    if found is None:
        return 0
    if not isinstance(found, int) or isinstance(found, bool):
        raise _wrong(name)
    return found


def seconds(fields: Mapping[str, Any], name: str) -> timedelta:
    """Return a duration that is a number of seconds; 0 where there is none."""
    found = number(fields, name)
    if not 0 <= found <= _LONGEST:
        raise _wrong(name)
    return timedelta(seconds=found)


def _short(name: str, pems: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse what would take long to read and to find a path in, before that is tried."""
    count = sum(pem.count("-----BEGIN ") for pem in pems)
    if count > _LONGEST_CHAIN:
        raise NotVault(f"the answer has {count} certificates in {name!r}, more than a chain has")
    return pems


def _is_utf8(found: str) -> bool:
    try:
        found.encode()
    except UnicodeEncodeError:
        return False
    return True


def _wrong(name: str) -> NotVault:
    return NotVault(f"the answer has no {name!r}, as Vault's would")
