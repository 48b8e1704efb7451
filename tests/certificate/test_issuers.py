"""Faults of a mount's issuers, each with its own message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dockertls_vault.certificate import issuers
from dockertls_vault.errors import IssuerExpired, VerificationError
from tests.certificates import Authority

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def expired() -> Authority:
    """Create a root that expired an hour ago."""
    return Authority.create(not_before=NOW - DAY, lifetime=DAY - timedelta(hours=1))


def test_unexpired_roots_are_trusted() -> None:
    """Intermediates and expired roots are not."""
    root = Authority.create()
    offered = [expired().certificate, root.intermediate().certificate, root.certificate]
    assert issuers.trust_bundle("pki", offered, NOW) == (root.certificate,)


def test_expired_root_is_the_cause() -> None:
    """The error has the expiry of the last one."""
    with pytest.raises(IssuerExpired, match="the root of the mount 'pki' expired at "):
        issuers.trust_bundle("pki", [expired().certificate], NOW)


def test_missing_root_of_an_intermediate_is_the_cause() -> None:
    """It is in another mount, and the hint says how to name that."""
    alone = Authority.create().intermediate().certificate
    with pytest.raises(VerificationError, match="has no root certificate") as raised:
        issuers.trust_bundle("pki", [alone], NOW)
    assert "--trust-mount" in raised.value.hint


def test_expired_issuer_is_the_cause() -> None:
    """It may still sign a useless certificate (leaf_not_after_behavior)."""
    with pytest.raises(IssuerExpired, match="the issuer 'CN=test root' expired at "):
        issuers.refuse_expired([expired().pem.decode()], NOW)


def test_issuer_is_refused_only_after_its_expiry() -> None:
    """An empty chain has no issuer to refuse."""
    issuer = Authority.create()
    end, second = issuer.certificate.not_valid_after_utc, timedelta(seconds=1)
    issuers.refuse_expired([], end + second)
    issuers.refuse_expired([issuer.pem.decode()], end - second)
    with pytest.raises(IssuerExpired):
        issuers.refuse_expired([issuer.pem.decode()], end + second)
