"""Which findings `daemon configure` fixes, and with which options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dockertls_vault.daemon.examination import set_up, settings
from dockertls_vault.daemon.examination.checks import Check
from dockertls_vault.docker import flags
from dockertls_vault.docker.diagnosis.report import Result


@pytest.mark.parametrize(
    ("check", "result", "is_set_up", "advised"),
    [
        (Check.CLIENT_CA, Result.CRITICAL, False, True),
        (Check.PLAINTEXT, Result.CRITICAL, False, True),
        (Check.STRANGERS, Result.CRITICAL, False, True),
        (Check.TRUST, Result.WARNING, True, True),
        (Check.TRUST, Result.UNREACHABLE, True, False),
        (Check.LIVE_RESTORE, Result.WARNING, True, True),
        (Check.LIVE_RESTORE, Result.WARNING, False, False),
        (Check.CLASH, Result.ERROR, True, False),
        (Check.KEYS, Result.ERROR, True, False),
    ],
)
def test_set_up_is_the_first_remedy_of_what_it_fixes(
    check: Check, result: Result, is_set_up: bool, advised: bool
) -> None:
    """Not for live-restore alone: the set-up opens a port, and replaces a CA that is there."""
    fault = check.found(result, "it is", "why", "do this")
    found = set_up.advise(fault, "run it", is_set_up=is_set_up)
    first = "run it; or by hand: " if advised else ""
    assert found.remedy == f"{first}do this"


def test_nothing_is_advised_without_a_fault() -> None:
    """It has no remedy at all."""
    fine = Check.TRUST.found(Result.OK, "it is")
    assert set_up.advise(fine, "run it", is_set_up=True) == fine


FD, VERIFY = "-H fd://", {"tlsverify": True, "tlscacert": "/ca.pem"}
CONFIGURE = "`sudo dockertls-vault daemon configure"


@pytest.mark.parametrize(
    ("arguments", "values", "options"),
    [
        (FD, {}, ""),
        (f"{FD} --tlsverify", {}, " --take-over"),
        (f"{FD} -H tcp://0.0.0.0:2376", {}, " --take-over"),
        (f"{FD} -H tcp://0.0.0.0", {}, " --take-over --listen 2376"),
        ("", {"hosts": ["fd://", "tcp://10.0.0.1:2375"]}, " --take-over --listen 2376"),
        ("", {}, " --take-over"),
        (FD, {"tls": True}, " --take-over"),
        (FD, VERIFY, " --take-over"),
    ],
)
def test_settings_that_clash_are_taken_over(
    arguments: str, values: dict[str, Any], options: str
) -> None:
    """Otherwise `daemon configure` refuses; a plaintext port gets a number of its own."""
    found = command(arguments, values, is_set_up=False, is_issued=True)
    assert found.startswith(f"run {CONFIGURE}{options}`")


@pytest.mark.parametrize(
    ("values", "is_set_up", "is_issued", "expected"),
    [
        ({}, False, False, "run `sudo -E dockertls-vault issue server`, then {}`"),
        ({}, True, False, "run {}`"),
        (VERIFY, True, True, "run {}`"),
        ({"tlscacert": "/ca.pem"}, True, True, "run {} --take-over`"),
    ],
)
def test_credential_comes_first(
    values: dict[str, Any], is_set_up: bool, is_issued: bool, expected: str
) -> None:
    """A host that is set up has one, and its settings are those of the set-up."""
    found = command(FD, values, is_set_up=is_set_up, is_issued=is_issued)
    assert found == expected.format(CONFIGURE)


@pytest.mark.parametrize(
    ("values", "is_set_up", "is_ours"),
    [(VERIFY, False, False), ({"tls": True}, False, False), (VERIFY, True, True), ({}, True, True)],
)
def test_remedy_says_that_it_replaces_the_ca_of_others(
    values: dict[str, Any], is_set_up: bool, is_ours: bool
) -> None:
    """Their clients would be rejected; a guide shows how to keep them."""
    found = command(FD, values, is_set_up=is_set_up, is_issued=True)
    assert ("it replaces the certificate and the CA of dockerd" in found) != is_ours
    guide = Path(__file__).parents[3] / "docs" / "how-to" / "move-a-hand-made-host.md"
    title = guide.read_text().splitlines()[0].removeprefix("# ")
    assert (f"follow the guide {title!r}" in found) != is_ours


def command(arguments: str, values: dict[str, Any], **known: bool) -> str:
    """Return the command for a dockerd with these arguments and values."""
    given = flags.parse(arguments.split())
    return set_up.command(given, values, settings.in_force(given, values, {}), **known)
