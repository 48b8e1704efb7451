"""A login, which takes its time in the background while the rest of a command gets ready."""

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
    """Return an AppRole on a real server."""
    return Role.make(Operator.of(openbao))


class Gate:
    """Lets a login through once the key is there, and knows when one has come."""

    def __init__(self) -> None:
        self.has_key, self.has_come = threading.Event(), threading.Event()

    def rule(self, request: Request, forward: Forward) -> Answer:
        if request.path.endswith("/login"):
            self.has_come.set()
            self.has_key.wait(LIMIT)
        return forward(request)


@pytest.fixture
def gate(role: Role, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Have the program log in through a gate."""
    found = Gate()
    with speaking([found.rule], role.operator.address) as address:
        for name, value in {**role.variables, "VAULT_ADDR": address}.items():
            monkeypatch.setenv(name, value)
        yield found


def make_keys(monkeypatch: pytest.MonkeyPatch, before: Callable[[], object]) -> None:
    """Have ``before`` called for each key that is made."""
    generate = keys.generate_key

    def generate_after(key_type: KeyType) -> keys.PrivateKey:
        before()
        return generate(key_type)

    monkeypatch.setattr(keys, "generate_key", generate_after)


def issue(directory: Path) -> int:
    """Issue with less time than the gate has, so that nobody waits for it."""
    arguments = ["--name", "ci", "--dir", str(directory), "--timeout", f"{LIMIT / 2:.0f}s"]
    return main.run(["issue", "client", *arguments])


def test_the_key_is_made_while_vault_logs_in(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that answers the login only once there is a key is waited for by nobody."""
    make_keys(monkeypatch, gate.has_key.set)
    assert issue(tmp_path) == 0


def test_a_login_is_revoked_where_the_rest_fails_meanwhile(
    gate: Gate, role: Role, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vault answers it when the failure is there already; its token is waited for and revoked."""
    before = role.accessors()

    def fail() -> None:
        assert gate.has_come.wait(LIMIT)
        gate.has_key.set()
        raise OSError("no entropy")

    make_keys(monkeypatch, fail)
    assert issue(tmp_path) == main.EXIT_BUG
    assert role.accessors() == before
    assert not is_running()


def test_nobody_logs_in_where_nothing_may_be_written(gate: Gate, tmp_path: Path) -> None:
    """What is wrong here is found before Vault is asked, and no secret_id is used for it."""
    (tmp_path / "key.pem").write_text("of somebody else")
    assert issue(tmp_path) != 0
    assert not gate.has_come.is_set()
