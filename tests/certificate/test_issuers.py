"""The issuers of a mount: what is wrong with them is said in its own words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dockertls_vault.certificate import issuers
from dockertls_vault.errors import IssuerExpired, VerificationError
from tests.certificates import Authority

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def expired() -> Authority:
    """Make a root that expired an hour ago."""
    return Authority.create(not_before=NOW - DAY, lifetime=DAY - timedelta(hours=1))


def test_the_roots_that_are_current_are_trusted() -> None:
    """An intermediate is not, nor is a root that has expired."""
    root = Authority.create()
    offered = [expired().certificate, root.intermediate().certificate, root.certificate]
    assert issuers.trust_bundle("pki", offered, NOW) == (root.certificate,)


def test_a_root_that_has_expired_is_the_cause() -> None:
    """It is said when, of the last one."""
    with pytest.raises(IssuerExpired, match="the root of the mount 'pki' expired at "):
        issuers.trust_bundle("pki", [expired().certificate], NOW)


def test_the_root_of_an_intermediate_is_somewhere_else() -> None:
    """It is said how to get there."""
    alone = Authority.create().intermediate().certificate
    with pytest.raises(VerificationError, match="has no root certificate") as raised:
        issuers.trust_bundle("pki", [alone], NOW)
    assert "--trust-mount" in raised.value.hint


def test_an_issuer_that_has_expired_is_the_cause() -> None:
    """It let itself sign a certificate that nobody accepts (leaf_not_after_behavior)."""
    with pytest.raises(IssuerExpired, match="the issuer 'CN=test root' expired at "):
        issuers.refuse_expired([expired().pem.decode()], NOW)


def test_an_issuer_that_is_current_is_no_cause() -> None:
    """Nor is a chain that is empty."""
    issuers.refuse_expired([Authority.create().pem.decode()], NOW)
    issuers.refuse_expired([], NOW)
