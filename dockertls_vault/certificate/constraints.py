"""A CA's name constraints on DNS names (RFC 5280 §4.2.1.10); no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509

if TYPE_CHECKING:
    from collections.abc import Iterable


def excludes(ca: x509.Certificate, domain: str) -> bool:
    """Return whether the CA must not sign for any name below ``domain``."""
    try:
        constraints = ca.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return False
    permitted = _domains(constraints.permitted_subtrees)
    if any(_is_within(domain, excluded) for excluded in _domains(constraints.excluded_subtrees)):
        return True
    # If the domain contains a permitted subtree, some of its names are permitted.
    return bool(permitted) and not any(
        _is_within(domain, subtree) or _is_within(subtree, domain) for subtree in permitted
    )


def _domains(subtrees: Iterable[x509.GeneralName] | None) -> tuple[str, ...]:
    """Return the DNS subtrees, without the leading dot that limits one to its subdomains."""
    return tuple(
        subtree.value.lower().removeprefix(".")
        for subtree in subtrees or ()
        if isinstance(subtree, x509.DNSName)
    )


def _is_within(domain: str, subtree: str) -> bool:
    return not subtree or domain == subtree or domain.endswith(f".{subtree}")
