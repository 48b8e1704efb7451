"""The default hook: a server is restarted after each swap, if this host's set-up says so."""

from __future__ import annotations

import json
import os
import shlex
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.cli import main, settled
from dockertls_vault.cli.running import running
from dockertls_vault.credential import reader
from dockertls_vault.needs_renewal import Need
from dockertls_vault.settings.schema import Settings
from dockertls_vault.watch import due_at
from dockertls_vault.window import DAYS

from .certificates import Authority
from .daemon.test_pickup import SET_UP, write
from .mounts import lead_to

if TYPE_CHECKING:
    from pathlib import Path

    from .harness.openbao import DevVault


class Host:
    """A host with one server; instead of a daemon, it restarts ``program``, which keeps a log."""

    def __init__(self, place: Path, captured: pytest.CaptureFixture[str]) -> None:
        self.out = place / "tls"
        self.log = place / "log"
        self.fails = place / "fails"
        self.program = place / "program"
        self._captured = captured
        self.program.write_text(
            f'#!/bin/sh\necho "$@ $DOCKERTLS_STATE_DIR" >>{self.log}\n! test -e {self.fails}\n'
        )
        self.program.chmod(0o755)

    @property
    def restarts(self) -> int:
        """How often the daemon was restarted, by the right command."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        assert set(lines) <= {f"daemon restart --if-needed {os.environ['DOCKERTLS_STATE_DIR']}"}
        return len(lines)

    def configure(self) -> None:
        """Write the set-up that `daemon configure` writes."""
        write(self.state, SET_UP | {"certificates": str(self.out)})

    @property
    def state(self) -> Path:
        """The state directory of the host."""
        return self.out.parent / "state"

    def run(self, *arguments: str, status: int = 0) -> str:
        """Run a command; return what it printed on both streams."""
        self._captured.readouterr()
        assert main.run(list(arguments)) == status
        return "".join(self._captured.readouterr())

    def issue(self, *options: str, status: int = 0) -> str:
        """Issue the certificate of the server."""
        names = () if (self.out / "ca.pem").exists() else ("--host", "a.example.internal")
        return self.run("issue", "server", "--dir", str(self.out), *names, *options, status=status)

    def requested(self) -> Any:
        """Return the hooks in request.json."""
        return json.loads((self.out / ".dockertls" / "request.json").read_text())["hooks"]

    def is_pending(self) -> bool:
        """Return whether hooks are pending, once each command has given the same answer."""
        metrics = self.out.parent / "metrics.prom"
        shown = main.run(["status", str(self.out), "-o", "json", "--metrics", str(metrics)])
        (credential,) = json.loads(self._captured.readouterr().out)["data"]["credentials"]
        need = main.run(["needs-renewal", str(self.out)])
        found = credential["pending_hooks"] is not None
        assert found == (need == Need.NEEDED)
        assert f"}} {float(found)}\n" in next(
            line
            for line in metrics.read_text().splitlines(keepends=True)
            if "hooks_pending{" in line
        )
        assert shown in ({1} if found else {0, 1})
        hooks, now = running(Settings(state_dir=self.state), os.environ), datetime.now(UTC)
        assert found == (due_at(self.out, now, running=hooks, admins=None) == now)
        return found


@pytest.fixture
def host(
    prepared: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Host:
    """Return a host without a set-up, on which nothing was issued."""
    lead_to(prepared, monkeypatch)
    made = Host(tmp_path, capfd)
    monkeypatch.setenv("DOCKERTLS_STATE_DIR", str(made.state))
    monkeypatch.setattr(sys, "argv", [str(made.program), "renew"])
    return made


def test_server_is_restarted_after_each_swap(host: Host) -> None:
    """By `issue`, `renew` and `rollback`; nothing is pending afterwards."""
    host.configure()
    assert "restart it" not in host.issue()
    assert (host.restarts, host.requested(), host.is_pending()) == (1, None, False)
    assert "its daemon" not in host.run("renew", str(host.out))
    assert host.restarts == 1
    host.run("renew", "--force", str(host.out))
    host.run("rollback", str(host.out))
    host.run("renew", str(host.out))  # records when it is due
    assert (host.restarts, host.is_pending()) == (3, False)


def test_failed_restart_is_remembered(host: Host) -> None:
    """Every command sees it, and the next `renew` runs it again."""
    host.configure()
    host.fails.touch()
    host.issue(status=71)
    assert host.is_pending()
    assert f"the hook {host.program} daemon restart --if-needed failed" in host.run(
        "status", str(host.out), status=1
    )
    host.run("renew", str(host.out), status=71)
    host.fails.unlink()
    host.run("renew", str(host.out))
    assert (host.restarts, host.is_pending()) == (3, False)


def test_restart_waits_for_its_window(host: Host) -> None:
    """Except for the first one."""
    host.configure()
    later = DAYS[(datetime.now().astimezone().weekday() + 2) % len(DAYS)]
    host.issue("--window", f"{later} 12:00-13:00")
    host.run("renew", "--force", str(host.out))
    assert "hooks wait for their window" in host.issue()
    assert host.restarts == 1
    assert "hooks wait for their window" in host.run("status", str(host.out), status=0)


def test_host_without_a_set_up_has_no_default(host: Host) -> None:
    """`issue`, `renew` and `rollback` then say that a restart is needed."""
    configure = f"run `sudo dockertls-vault daemon configure --dir {host.out}`"
    for_root = os.geteuid() == 0  # nobody else can replace the files
    first = host.issue()
    assert "dockerd does not use these files until it is set up: " in first
    assert (configure in first, "restart it to use" in first) == (for_root, False)
    assert (host.requested(), host.is_pending()) == (None, False)
    assert "restart its daemon" in host.run("renew", "--force", str(host.out))
    again = host.run("rollback", str(host.out))
    assert (configure in again, "restart it to use" in again) == (for_root, True)
    assert host.restarts == 0


def test_clients_of_another_ca_are_moved_before_the_daemon(host: Host, tmp_path: Path) -> None:
    """They would reject its new certificate; later, it is in use already."""
    (tmp_path / "old.pem").write_bytes(Authority.create("old").pem)
    options = ("--also-trust", str(tmp_path / "old.pem"), "--also-trust-until", "30d")
    first, again = host.issue(*options), host.issue()
    for_root = os.geteuid() == 0
    assert ("once each client trusts the CA of this certificate" in first) == for_root
    assert "once each client trusts" not in again


@pytest.mark.parametrize("has_systemd", [False, True])
def test_files_that_are_replaced_may_be_in_use(
    has_systemd: bool, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the note is to restart their dockerd, by systemctl only if systemd runs here."""
    monkeypatch.setattr("dockertls_vault.host.systemd.is_running", lambda: has_systemd)
    host.out.mkdir()
    (host.out / "server-key.pem").write_text("of before")
    note = host.issue("--replace")
    assert "restart it to use the new certificate" in note
    assert ("(sudo systemctl restart docker)" in note) == has_systemd


def test_client_has_no_daemon_to_restart(host: Host) -> None:
    """Nor one to configure."""
    printed = host.run("issue", "client", "--dir", str(host.out))
    assert not any(words in printed for words in ("restart", "daemon configure"))


def test_set_up_that_would_be_refused_is_not_advised(host: Host) -> None:
    """`daemon configure` refuses a directory in which another user can write."""
    host.issue()
    host.out.parent.chmod(0o777)
    hooks = running(Settings(state_dir=host.state), os.environ)
    note = settled.restart_note(reader.locate(host.out), hooks) or ""
    assert ("daemon configure --print flags" in note, "sudo" in note) == (True, False)


def test_daemon_that_is_set_up_later_is_restarted(host: Host) -> None:
    """Nothing needs to be issued again."""
    host.issue()
    host.configure()
    assert host.is_pending()
    host.run("renew", str(host.out))
    assert (host.restarts, host.is_pending()) == (1, False)


def test_hooks_that_were_chosen_replace_the_default(host: Host) -> None:
    """They are taken over, until the default is chosen again."""
    host.configure()
    note = host.issue("--hook", "none")
    assert ("restart it to use" in note, "daemon configure" in note) == (True, False)
    assert (host.requested(), host.is_pending()) == ([], False)
    assert "as requested before: --host a.example.internal --hook none" in host.issue()
    host.issue("--hook", "true")
    assert "--hook true" in host.issue().replace("/usr/bin/", "").replace("/bin/", "")
    assert host.restarts == 0
    assert "--hook" not in host.issue("--hook", "default")
    assert (host.requested(), host.restarts) == (None, 1)


def test_set_up_need_not_be_followed_by_a_restart(host: Host) -> None:
    """It has restarted the daemon, but has not run the hooks of all credentials."""
    host.issue()
    host.configure()
    hooks = running(Settings(state_dir=host.state), os.environ)
    assert settled.note_restart(host.out, replace(hooks, common=(("true",),))) == ()
    assert host.is_pending()
    assert settled.note_restart(host.out, hooks) == ()
    assert (host.restarts, host.is_pending()) == (0, False)


def test_set_up_warns_if_no_hook_restarts_the_daemon(host: Host) -> None:
    """Such as one that was removed before; a credential of another tool has none anyway."""
    host.out = host.out.parent / "the files"
    host.issue("--hook", "none")
    host.configure()
    hooks = running(Settings(state_dir=host.state), os.environ)
    (warning,) = settled.note_restart(host.out, hooks)
    advice = shlex.split(warning.split("`")[1])
    assert advice[-4:] == ["--hook", "default", "--dir", str(host.out)]
    assert host.restarts == 0
    host.run(*advice[advice.index("issue") :])
    assert (host.requested(), host.restarts) == (None, 1)
    assert settled.note_restart(host.state, hooks) == ()


def test_client_has_no_default(host: Host) -> None:
    """Nothing on the host needs to pick it up."""
    host.configure()
    printed = host.run("issue", "client", "--dir", str(host.out.parent / "client"))
    assert (host.restarts, "restart" in printed) == (0, False)
