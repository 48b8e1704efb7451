"""When `ca init` calls a CA ready, against what can be issued from it."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.cli import main
from tests import mounts
from tests.mounts import lead_to
from tests.vault.operator import Operator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.openbao import DevVault


def expired(server: DevVault, mount: str) -> None:
    """Wait until a root has expired."""
    mounts.constrained_root(server, mount, ttl="1s")
    time.sleep(2)


def revoked(server: DevVault, mount: str) -> None:
    """Revoke the root itself."""
    mounts.init(server, mount)
    Operator.of(server).write(f"{mount}/issuer/default/revoke")


def without_issuance(server: DevVault, mount: str) -> None:
    """Let the root sign CRLs alone."""
    mounts.init(server, mount)
    mounts.change_issuer(server, mount, usage="read-only,crl-signing")


def near_its_end(server: DevVault, mount: str, behavior: str = "err") -> None:
    """Give the root two days, which is less than the default TTL of servers."""
    mounts.constrained_root(server, mount, ttl="48h")
    mounts.change_issuer(server, mount, leaf_not_after_behavior=behavior)


def near_its_end_and_truncating(server: DevVault, mount: str) -> None:
    """Have what would outlive the root end with it."""
    near_its_end(server, mount, "truncate")


def deleted(server: DevVault, mount: str) -> None:
    """Delete the root, whose key stays, under the name that a new one might take."""
    operator = Operator.of(server)
    mounts.empty(server, mount)
    names = {"common_name": "old", "issuer_name": "root-1", "key_name": "root-1", "ttl": "900h"}
    operator.write(f"{mount}/issuers/generate/root/internal", names)
    operator.call("DELETE", f"{mount}/issuer/root-1")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (expired, "(CN={mount} root) expired at "),
        (revoked, "(CN=dockertls root 1) is revoked; "),
        (without_issuance, "may not issue certificates (usage: crl-signing,read-only); "),
        (near_its_end, "ends in 1d23h"),
        (mounts.ed25519_root, "the key of CN={mount} root is not RSA, P-256"),
        (mounts.p224_root, "the key of CN={mount} root is not RSA, P-256"),
        (near_its_end_and_truncating, ""),
        (deleted, ""),
        (mounts.init, ""),
        (mounts.intermediate, ""),
        (mounts.rsa_root, ""),
    ],
    ids=lambda found: getattr(found, "__name__", None),
)
def test_ready_means_that_certificates_can_be_issued(
    state: Any,
    words: str,
    vault_server: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of the default TTL, for either end; where not, it is said why, and no root is made."""
    lead_to(vault_server, monkeypatch)
    mount = f"pki-{secrets.token_hex(4)}"
    state(vault_server, mount)
    operator = Operator.of(vault_server)
    status = 78 if words else 0
    assert main.run(["ca", "init", "--mount", mount, "--domain", mounts.DOMAIN, "--yes"]) == status
    issuers = operator.call("LIST", f"{mount}/issuers")
    capsys.readouterr()
    assert main.run(["ca", "init", "--mount", mount]) == status
    told = capsys.readouterr()
    assert ("nothing needs to change" in told.out) == (not words)
    assert told.err == "" or "nothing can be issued yet: the default issuer of" in told.err
    assert words.format(mount=mount) in told.err
    assert operator.call("LIST", f"{mount}/issuers")[1]["data"] == issuers[1]["data"]
    server = ["issue", "server", "--host", f"a.{mounts.DOMAIN}", "--dir", str(tmp_path / "s")]
    client = ["issue", "client", "--dir", str(tmp_path / "c")]
    statuses = [main.run([*command, "--mount", mount]) for command in (server, client)]
    assert (statuses == [0, 0]) == (not words)
