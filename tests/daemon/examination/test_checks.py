"""Which findings `daemon configure` fixes."""

from __future__ import annotations

import pytest

from dockertls_vault.daemon.examination.checks import Check, advise_set_up
from dockertls_vault.docker.diagnosis.report import Result


@pytest.mark.parametrize(
    ("check", "result", "tls", "advised"),
    [
        (Check.CLIENT_CA, Result.CRITICAL, False, True),
        (Check.PLAINTEXT, Result.CRITICAL, False, True),
        (Check.STRANGERS, Result.CRITICAL, True, True),
        (Check.TRUST, Result.WARNING, True, True),
        (Check.TRUST, Result.UNREACHABLE, True, False),
        (Check.LIVE_RESTORE, Result.WARNING, True, True),
        (Check.LIVE_RESTORE, Result.WARNING, False, False),
        (Check.CLASH, Result.ERROR, True, False),
        (Check.KEYS, Result.ERROR, True, False),
    ],
)
def test_set_up_is_the_first_remedy_of_what_it_fixes(
    check: Check, result: Result, tls: bool, advised: bool
) -> None:
    """Not for live-restore alone: the set-up opens a port, which such a host may not want."""
    found = advise_set_up(check.found(result, "it is", "why", "do this"), tls=tls)
    first = "run `sudo dockertls-vault daemon configure`; or by hand: " if advised else ""
    assert found.remedy == f"{first}do this"


def test_nothing_is_advised_without_a_fault() -> None:
    """It has no remedy at all."""
    fine = Check.TRUST.found(Result.OK, "it is")
    assert advise_set_up(fine, tls=True) == fine
