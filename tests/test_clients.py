"""Who connects to a daemon, and whether anybody still needs another CA than Vault's."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dockertls_vault.clients import AcceptedCA, Refused, Verdict, judge, summarize
from dockertls_vault.docker.refusals import Reason
from dockertls_vault.host.journal import Log

START = datetime(2026, 11, 27, tzinfo=UTC)
VAULT = AcceptedCA("CN=docker root", is_vaults=True, until=None)
OLD = AcceptedCA("CN=old", is_vaults=False, until=None)
LOG = Log(START, (), 0)
STRANGER = Refused("10.0.0.5", Reason.NO_CERTIFICATE, 1, START)


@pytest.mark.parametrize(
    ("accepts", "log", "refused", "verdict"),
    [
        ((VAULT,), LOG, (), Verdict.NOBODY),
        ((VAULT, replace(VAULT, subject="CN=next")), LOG, (), Verdict.NOBODY),
        ((VAULT,), LOG, (replace(STRANGER, address="127.0.0.1"),), Verdict.NOBODY),
        ((VAULT,), LOG, (replace(STRANGER, reason=Reason.OTHER),), Verdict.NOBODY),
        ((VAULT,), LOG, (replace(STRANGER, reason=Reason.INVALID),), Verdict.NOBODY),
        ((VAULT,), LOG, (STRANGER,), Verdict.REFUSED),
        ((VAULT,), LOG, (replace(STRANGER, reason=Reason.UNKNOWN_CA),), Verdict.REFUSED),
        ((VAULT,), LOG, (replace(STRANGER, reason=Reason.SERVER_REFUSED),), Verdict.REFUSED),
        ((VAULT,), replace(LOG, suppressed=1), (), Verdict.UNKNOWN),
        ((VAULT,), replace(LOG, suppressed=1), (STRANGER,), Verdict.REFUSED),
        ((VAULT,), None, None, Verdict.UNKNOWN),
        ((VAULT, OLD), LOG, (), Verdict.ACCEPTED),
        ((VAULT, OLD), LOG, (STRANGER,), Verdict.ACCEPTED),
        ((replace(VAULT, until=START),), LOG, (), Verdict.ACCEPTED),
        ((OLD,), LOG, (), Verdict.UNKNOWN),
        ((), LOG, (), Verdict.UNKNOWN),
        (None, LOG, (), Verdict.UNKNOWN),
    ],
)
def test_nobody_is_said_only_if_it_is_proven(
    accepts: tuple[AcceptedCA, ...] | None,
    log: Log | None,
    refused: tuple[Refused, ...] | None,
    verdict: Verdict,
) -> None:
    """While the daemon accepts another CA, nothing is known of who uses it."""
    assert judge(accepts, log, refused) is verdict


def test_refusals_are_counted_by_address_and_reason() -> None:
    """With the time of the last one; `docker` tries several times."""
    prefix = "http: TLS handshake error from "
    lines = [
        f"{prefix}10.0.0.5:1: tls: client didn't provide a certificate\n",
        f"{prefix}10.0.0.5:2: tls: client didn't provide a certificate\n",
        "Daemon has completed initialization",
        f"{prefix}10.0.0.5:3: EOF\n",
        f"{prefix}10.0.0.4:4: remote error: tls: bad certificate\n",
    ]
    times = [START + timedelta(seconds=number) for number, _ in enumerate(lines)]
    log = Log(START, tuple(zip(times, lines, strict=True)), 0)
    assert summarize(log) == (
        Refused("10.0.0.4", Reason.SERVER_REFUSED, 1, times[4]),
        Refused("10.0.0.5", Reason.NO_CERTIFICATE, 2, times[1]),
        Refused("10.0.0.5", Reason.OTHER, 1, times[3]),
    )
