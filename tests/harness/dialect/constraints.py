"""Name constraints, evaluated and worded as in Go (crypto/x509, RFC 5280 section 4.2.1.10)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509

if TYPE_CHECKING:
    from collections.abc import Iterable

_GO = "x509: a root or intermediate certificate is not authorized to sign for this name: "


def violation(leaf: x509.Certificate, above: Iterable[x509.Certificate]) -> str | None:
    """Return Go's message for the first name of ``leaf`` that a CA above may not sign."""
    return next((found for authority in above for found in _violations(leaf, authority)), None)


def _violations(leaf: x509.Certificate, authority: x509.Certificate) -> Iterable[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return
    for name in names:
        excluded = [tree for tree in found.excluded_subtrees or () if isinstance(tree, type(name))]
        permitted = [
            tree for tree in found.permitted_subtrees or () if isinstance(tree, type(name))
        ]
        for tree in excluded:
            if _lies_in(name, tree):
                yield f'{_GO}{_words(name)} is excluded by constraint "{tree.value}"'
        if permitted and not any(_lies_in(name, tree) for tree in permitted):
            yield f"{_GO}{_words(name)} is not permitted by any constraint"


def _lies_in(name: x509.GeneralName, tree: x509.GeneralName) -> bool:
    if isinstance(name, x509.IPAddress):
        return ip_address(str(name.value)) in tree.value
    host, domain = name.value.lower(), tree.value.lower()
    if isinstance(name, x509.RFC822Name) and "@" in domain:
        return bool(host == domain)
    host = host.rpartition("@")[2]
    # With a leading dot, a domain means only its subdomains.
    return bool(host == domain or host.endswith("." + domain.lstrip(".")) or not domain)


def _words(name: x509.GeneralName) -> str:
    if isinstance(name, x509.IPAddress):
        return f'IP address "{name.value}"'
    if isinstance(name, x509.RFC822Name):
        return f'email address "{name.value}"'
    return f'DNS name "{name.value}"'
