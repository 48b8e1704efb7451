"""DNS name constraints: which requested names a CA may not sign."""

from __future__ import annotations

import pytest
from cryptography import x509

from dockertls_vault.certificate.constraints import excludes
from tests.certificates import Authority


def dns(*domains: str) -> list[x509.GeneralName] | None:
    """Return subtrees as the extension holds them: None, never an empty list."""
    return [x509.DNSName(domain) for domain in domains] or None


@pytest.mark.parametrize(
    ("permitted", "excluded", "expected"),
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
def test_domain_without_any_permitted_name_is_excluded(
    permitted: list[x509.GeneralName] | None,
    excluded: list[x509.GeneralName] | None,
    expected: bool,
) -> None:
    """A subtree is a domain and everything below it (RFC 5280 section 4.2.1.10)."""
    constraints = x509.NameConstraints(permitted, excluded)
    ca = Authority.create(extra=[constraints])
    assert excludes(ca.certificate, "a.test") == expected


def test_ca_without_constraints_excludes_no_name() -> None:
    """Most CAs have none."""
    assert not excludes(Authority.create().certificate, "a.test")
