"""Which DNS names a CA may not sign for: its name constraints (RFC 5280, 4.2.1.10); pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509

if TYPE_CHECKING:
    from collections.abc import Iterable


def exclude(ca: x509.Certificate, domain: str) -> bool:
    """Tell whether the CA may sign for no name at all below ``domain``."""
    try:
        constraints = ca.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return False
    permitted = _domains(constraints.permitted_subtrees)
    if any(_is_within(domain, excluded) for excluded in _domains(constraints.excluded_subtrees)):
        return True
    # Of a domain that is wider than what is permitted, some names are.
    return bool(permitted) and not any(
        _is_within(domain, subtree) or _is_within(subtree, domain) for subtree in permitted
    )


def _domains(subtrees: Iterable[x509.GeneralName] | None) -> tuple[str, ...]:
    """Return those of DNS names; with a dot before it, one is for what is below it alone."""
    return tuple(
        subtree.value.lower().removeprefix(".")
        for subtree in subtrees or ()
        if isinstance(subtree, x509.DNSName)
    )


def _is_within(domain: str, subtree: str) -> bool:
    return not subtree or domain == subtree or domain.endswith(f".{subtree}")
