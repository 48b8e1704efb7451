"""Which DNS names a CA may not sign for."""

from __future__ import annotations

import pytest
from cryptography import x509

from dockertls_vault.certificate.constraints import exclude
from tests.certificates import Authority


def dns(*domains: str) -> list[x509.GeneralName] | None:
    """Return subtrees as an extension has them, which has no empty list."""
    return [x509.DNSName(domain) for domain in domains] or None


@pytest.mark.parametrize(
    ("permitted", "excluded", "excludes"),
    [
        (dns("a.test"), None, False),
        (dns("A.test"), None, False),
        (dns("test"), None, False),
        (dns(".test"), None, False),
        (dns(""), None, False),
        (dns("host.a.test"), None, False),
        (dns("b.test", "a.test"), None, False),
        (dns("b.test"), None, True),
        (dns("notin-a.test"), None, True),
        (None, dns("b.test"), False),
        (None, dns("host.a.test"), False),
        (None, dns("a.test"), True),
        (None, dns("test"), True),
        (None, dns(""), True),
        (dns("a.test"), dns("test"), True),
        ([x509.RFC822Name("b.test")], None, False),
        (None, [x509.RFC822Name("a.test")], False),
    ],
)
def test_a_domain_of_which_no_name_is_left(
    permitted: list[x509.GeneralName] | None,
    excluded: list[x509.GeneralName] | None,
    excludes: bool,
) -> None:
    """As RFC 5280 has it: a subtree is a domain and all below it."""
    constraints = x509.NameConstraints(permitted, excluded)
    ca = Authority.create(extra=[constraints])
    assert exclude(ca.certificate, "a.test") == excludes


def test_a_ca_without_constraints_excludes_nothing() -> None:
    """Most have none."""
    assert not exclude(Authority.create().certificate, "a.test")
