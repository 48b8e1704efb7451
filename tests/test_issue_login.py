"""The login runs in the background while the rest of a command prepares."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.certificate import keys
from dockertls_vault.cli import main

from .faults.signals import Role
from .harness.dialect.proxy import speaking
from .test_background import is_running
from .vault.operator import LIMIT, Operator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dockertls_vault.certificate.request import KeyType

    from .harness.dialect.exchange import Answer, Forward, Request
    from .harness.openbao import DevVault


@pytest.fixture
def role(openbao: DevVault) -> Role:
    """Create an AppRole role on a real server."""
    return Role.make(Operator.of(openbao))


class Gate:
    """Holds a login back until the key exists, and records that one has arrived."""

    def __init__(self) -> None:
        self.has_key, self.has_come = threading.Event(), threading.Event()

    def rule(self, request: Request, forward: Forward) -> Answer:
        if request.path.endswith("/login"):
            self.has_come.set()
            self.has_key.wait(LIMIT)
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
    assert issue(tmp_path) == 0


def test_login_is_revoked_if_the_rest_fails_meanwhile(
    gate: Gate, role: Role, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The login is answered after the failure; its token is awaited and revoked."""
    before = role.accessors()

    def fail() -> None:
        assert gate.has_come.wait(LIMIT)
        gate.has_key.set()
        raise OSError("no entropy")

    make_keys(monkeypatch, fail)
    assert issue(tmp_path) == main.EXIT_BUG
    assert role.accessors() == before
    assert not is_running()


def test_no_login_if_the_directory_is_refused(gate: Gate, tmp_path: Path) -> None:
    """The error is found before any request, so that no secret_id is spent."""
    (tmp_path / "key.pem").write_text("of somebody else")
    assert issue(tmp_path) != 0
    assert not gate.has_come.is_set()
