"""The login and its revocation run in the background while the rest of a command does its part."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.certificate import keys, verify
from dockertls_vault.cli import main
from dockertls_vault.credential import store
from dockertls_vault.errors import VerificationError

from .faults.signals import Role
from .harness.dialect.exchange import Answer
from .harness.dialect.proxy import speaking
from .test_background import is_running
from .vault.operator import LIMIT, Operator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dockertls_vault.certificate.request import KeyType

    from .harness.dialect.exchange import Forward, Request
    from .harness.openbao import DevVault


@pytest.fixture
def role(openbao: DevVault) -> Role:
    """Create an AppRole role on a real server."""
    return Role.make(Operator.of(openbao))


class Gate:
    """Holds a login back until the key exists, and the revocation until our part has ended.

    It records that they have arrived.
    """

    def __init__(self) -> None:
        self.has_key, self.has_come = threading.Event(), threading.Event()
        self.ended, self.is_revoking = threading.Event(), threading.Event()
        self.refuses_revocation = False

    def rule(self, request: Request, forward: Forward) -> Answer:
        if request.path.endswith("/login"):
            self.has_come.set()
            self.has_key.wait(LIMIT)
        if request.path.endswith("/revoke-self"):
            self.is_revoking.set()
            self.ended.wait(LIMIT)
            if self.refuses_revocation:
                return Answer(400, {"Content-Type": "application/json"}, b'{"errors": ["no"]}')
        return forward(request)


@pytest.fixture
def gate(role: Role, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Make the program log in through a gate."""
    found = Gate()
    with speaking([found.rule], role.operator.address) as address:
        for name, value in {**role.variables, "VAULT_ADDR": address}.items():
            monkeypatch.setenv(name, value)
        yield found


def make_keys(monkeypatch: pytest.MonkeyPatch, before: Callable[[], object]) -> None:
    """Call ``before`` for each key that is generated."""
    generate = keys.generate_key

    def generate_after(key_type: KeyType) -> keys.PrivateKey:
        before()
        return generate(key_type)

    monkeypatch.setattr(keys, "generate_key", generate_after)


def issue(directory: Path) -> int:
    """Issue with less time than the gate allows, so that no test hangs."""
    arguments = ["--name", "ci", "--dir", str(directory), "--timeout", f"{LIMIT / 2:.0f}s"]
    return main.run(["issue", "client", *arguments])


def test_key_is_generated_during_the_login(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server answers the login only once there is a key."""
    make_keys(monkeypatch, gate.has_key.set)
    gate.ended.set()
    assert issue(tmp_path) == 0


def test_login_is_revoked_if_the_rest_fails_meanwhile(
    gate: Gate, role: Role, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The login is answered after the failure; its token is awaited and revoked."""
    before = role.accessors()
    gate.ended.set()

    def fail() -> None:
        assert gate.has_come.wait(LIMIT)
        gate.has_key.set()
        raise OSError("no entropy")

    make_keys(monkeypatch, fail)
    assert issue(tmp_path) == main.EXIT_BUG
    assert role.accessors() <= before
    assert not is_running()


def test_files_are_installed_while_vault_revokes_the_token(
    gate: Gate, role: Role, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that revokes the token only once the files are installed holds nothing up."""
    before = role.accessors()
    gate.has_key.set()
    install = store.install

    def install_meanwhile(*arguments: Any, **named: Any) -> store.Installed:
        assert gate.is_revoking.wait(LIMIT)
        installed = install(*arguments, **named)
        gate.ended.set()
        return installed

    monkeypatch.setattr(store, "install", install_meanwhile)
    assert issue(tmp_path) == 0
    assert role.accessors() <= before
    assert not is_running()


@pytest.mark.parametrize("refused", [False, True])
def test_token_is_revoked_or_reported_if_nothing_is_installed(
    refused: bool,
    gate: Gate,
    role: Role,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Vault answers the revocation after the failure, and both are reported."""
    before = role.accessors()
    gate.has_key.set()
    gate.refuses_revocation = refused

    def reject(*_: object, **__: object) -> None:
        assert gate.is_revoking.wait(LIMIT)
        gate.ended.set()
        raise VerificationError("rejected", ())

    monkeypatch.setattr(verify, "verify", reject)
    assert issue(tmp_path) == VerificationError.exit_status
    said = capsys.readouterr().err
    assert "rejected" in said
    left = role.accessors() - before
    assert len(left) == refused
    assert all(f"-accessor {accessor}" in said for accessor in left)
    assert not is_running()


def test_no_login_if_the_directory_is_refused(gate: Gate, tmp_path: Path) -> None:
    """The error is found before any request, so that no secret_id is spent."""
    (tmp_path / "key.pem").write_text("of somebody else")
    assert issue(tmp_path) != 0
    assert not gate.has_come.is_set()
