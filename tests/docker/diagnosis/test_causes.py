"""Why a daemon rejects our certificate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.docker.diagnosis.causes import explain_refusal
from tests.certificates import Authority

if TYPE_CHECKING:
    from cryptography.x509 import Name

NOW = datetime.now(UTC)
OLD = Authority.create("our root", not_before=NOW - timedelta(days=90))
NEW = Authority.create("our root 2", not_before=NOW - timedelta(days=1))
OTHER = Authority.create("other root", not_before=NOW - timedelta(days=90))


def test_ca_missing_from_the_daemons_list_explains_a_rejection() -> None:
    """The cause names both CAs, and the first remedy is a restart."""
    cause = explain_refusal([OTHER.certificate.subject], [NEW.client().certificate], [], None)
    assert cause is not None
    assert "clients of CN=other root; our certificate was issued by CN=our root 2" in cause.reason
    assert str(cause.remedy).index("restart") < str(cause.remedy).index("add the CA")


@pytest.mark.parametrize("authorities", [[], [NEW.certificate.subject]])
def test_nothing_explains_a_rejection_if_our_ca_is_named(authorities: list[Name]) -> None:
    """Nor if the daemon names no CA, or if we have no certificate at all."""
    assert explain_refusal(authorities, [NEW.client().certificate], [], None) is None
    assert explain_refusal([OTHER.certificate.subject], [], [], None) is None


def test_daemon_that_names_only_the_root_explains_nothing() -> None:
    """The chain in cert.pem leads to that root."""
    issued = OLD.intermediate().client()
    chain = [issued.certificate, *issued.chain]
    assert explain_refusal([OLD.certificate.subject], chain, [], None) is None


@pytest.mark.parametrize(
    ("server", "roots", "rotated"),
    [
        (OLD, [OLD, NEW], True),
        (NEW, [OLD, NEW], False),
        (OTHER, [OLD, NEW], False),
        (OLD, [OLD], False),
    ],
)
def test_forgotten_restart_after_a_rotation_is_recognized(
    server: Authority, roots: list[Authority], rotated: bool
) -> None:
    """One of our roots issued the daemon's certificate before our own CA existed."""
    on_the_wire = server.issue("h", not_before=NOW - timedelta(hours=(1 if server is NEW else 99)))
    cause = explain_refusal(
        [OLD.certificate.subject],
        [NEW.client().certificate],
        [root.certificate for root in roots],
        on_the_wire.certificate,
    )
    assert cause is not None
    assert ("the CA was rotated" in cause.reason) == rotated
    assert str(cause.remedy).startswith("restart dockerd") == rotated
