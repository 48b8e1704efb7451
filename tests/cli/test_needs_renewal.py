"""`needs-renewal`, quickly and by way of the whole program."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.certificate.schedule import plan
from dockertls_vault.cli import main, tick
from dockertls_vault.credential import store
from dockertls_vault.credential.due import Due
from dockertls_vault.credential.registry import Registry
from dockertls_vault.needs_renewal import Need
from tests.credentials import CLIENT, material

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = Path(sys.executable).with_name("dockertls-vault")
DAY = timedelta(days=1)
# What takes as long to import as a tick may take in all, with what they import.
HEAVY = {
    "cryptography",
    "dataclasses",
    "hvac",
    "inspect",
    "logging",
    "pathlib",
    "rich",
    "subprocess",
    "threading",
    "typer",
}


def install(out: Path, *, issued: timedelta = timedelta()) -> None:
    """Install a credential that was issued some time ago, for a week."""
    now = datetime.now(UTC) - issued
    installed = Due(plan(now, now + 7 * DAY, "a"))
    files = material(1)
    store.install(
        CLIENT.place(out),
        store.Material(files.ca, files.cert, files.key, files.serial, installed),
        CLIENT,
        replace=False,
        now=now,
    )


def _fresh(out: Path) -> list[str]:
    install(out / "a")
    return [str(out / "a")]


def _old(out: Path) -> list[str]:
    install(out / "a", issued=6 * DAY)
    return [str(out / "a")]


def _several(out: Path) -> list[str]:
    return [*_fresh(out), str(out / "nowhere")]


def _missing(out: Path) -> list[str]:
    return [str(out / "no\nwhere")]


def _corrupt(out: Path) -> list[str]:
    (out / "a" / ".dockertls").mkdir(parents=True)
    (out / "a" / ".dockertls" / "request.json").write_text("[")
    return [str(out / "a")]


def _all(out: Path) -> list[str]:
    registry = Registry(Path(os.environ["DOCKERTLS_STATE_DIR"]))
    for name in ("a", "b"):
        install(out / name)
        registry.add(out / name)
    registry.looked(datetime.now(UTC))
    return []


def _none(_: Path) -> list[str]:
    return []


@pytest.mark.parametrize(
    ("prepare", "need", "said"),
    [
        (_fresh, Need.NOT_DUE, "a: not due before "),
        (_old, Need.NEEDED, "a: due since "),
        (_several, Need.MISSING, "nowhere: no dockertls-vault credential here"),
        (_missing, Need.MISSING, "no\\nwhere: no dockertls-vault credential here"),
        (_corrupt, Need.ERROR, "request.json is corrupt"),
        (_all, Need.NOT_DUE, "none of 2 is due; the first is "),
        (_none, Need.MISSING, "no credential is known on this host"),
    ],
)
def test_short_path_and_full_program_give_the_same_answer(
    prepare: Callable[[Path], list[str]],
    need: Need,
    said: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The text on stderr is the same; the short path leaves errors to the program."""
    arguments = prepare(tmp_path)
    assert main.run([tick.COMMAND, *arguments]) == need
    out, err = capfd.readouterr()
    assert out == ""
    assert said in err
    quick = tick.run(arguments, os.environ)
    assert (quick, capfd.readouterr().err) == ((None, "") if need is Need.ERROR else (need, err))
    for quiet in ("-q", "--quiet"):
        assert main.run([tick.COMMAND, *arguments, quiet]) == need
        assert tick.run([quiet, *arguments], os.environ) in {need, None}
        assert (need is Need.ERROR) == (said in capfd.readouterr().err)


@pytest.mark.parametrize("arguments", [["--bogus"], [""], ["-o", "json"], ["~nobody-there/x"]])
def test_every_failure_has_the_status_that_fails_a_unit(arguments: list[str]) -> None:
    """Systemd would silently skip the unit for any other status but 0."""
    assert tick.run(arguments, os.environ) is None
    assert main.run([tick.COMMAND, *arguments]) == Need.ERROR


def test_bug_has_the_status_that_fails_a_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It has a traceback."""
    monkeypatch.setattr(tick, "of_credential", None)
    assert tick.run([str(tmp_path)], os.environ) is None
    assert main.run([tick.COMMAND, str(tmp_path)]) == Need.ERROR
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.parametrize("setting", ["state_dir", '"state_dir"'])
def test_configuration_file_may_name_the_state_directory(
    setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only such a file is parsed."""
    state = tmp_path / "elsewhere"
    install(tmp_path / "a", issued=6 * DAY)
    Registry(state).add(tmp_path / "a")
    config = Path(os.environ["XDG_CONFIG_HOME"]) / "dockertls-vault" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[vault]\nmount = "pki"\n')
    monkeypatch.delenv("DOCKERTLS_STATE_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    if os.geteuid() != 0:
        assert tick.run([], os.environ) is Need.MISSING
    config.write_text(f'[files]\n{setting} = "{state}"\n')
    assert tick.run([], os.environ) is None
    assert main.run([tick.COMMAND]) == Need.NEEDED
    monkeypatch.setenv("DOCKERTLS_STATE_DIR", str(state))
    assert tick.run([], os.environ) is Need.NEEDED


def test_tick_imports_no_slow_module(tmp_path: Path) -> None:
    """This includes the console script."""
    install(tmp_path / "a")
    state = tmp_path / "state"
    Registry(state).add(tmp_path / "a")
    Registry(state).looked(datetime.now(UTC))
    for arguments in ([], [str(tmp_path / "a")]):
        run = subprocess.run(
            [sys.executable, "-X", "importtime", PROGRAM, tick.COMMAND, *arguments],
            env={"HOME": str(tmp_path), "DOCKERTLS_STATE_DIR": str(state)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (run.returncode, run.stdout) == (Need.NOT_DUE, "")
        *imports, said = run.stderr.splitlines()
        assert said.startswith(f"{tmp_path}/a: not due before ")
        modules = {line.rpartition("|")[2].strip().partition(".")[0] for line in imports}
        assert "dockertls_vault" in modules
        assert modules & HEAVY == set()


def test_tick_survives_a_closed_stderr(tmp_path: Path) -> None:
    """The exit status is the answer."""
    install(tmp_path)
    command = 'exec "$0" needs-renewal "$1" 2>&-'
    run = subprocess.run(["sh", "-c", command, PROGRAM, tmp_path], check=False)
    assert run.returncode == Need.NOT_DUE
    run = subprocess.run(
        ["sh", "-c", command.replace("&-", "/dev/full"), PROGRAM, tmp_path], check=False
    )
    assert run.returncode == Need.NOT_DUE
