"""`ca init` calls a CA ready exactly if certificates can be issued from it."""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.cli import main
from tests import mounts
from tests.harness.dialect.exchange import refusal
from tests.harness.dialect.health import Health
from tests.harness.dialect.leaves import not_before_the_issuer
from tests.harness.dialect.proxy import speaking
from tests.harness.dialect.roles import RoleParameters
from tests.mounts import lead_to
from tests.vault.operator import Operator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.harness.dialect.exchange import Answer, Forward, Request, Rule
    from tests.harness.openbao import DevVault


def expired(server: DevVault, mount: str) -> None:
    """Wait until the root has expired."""
    mounts.constrained_root(server, mount, ttl="1s")
    time.sleep(2)


def revoked(server: DevVault, mount: str) -> None:
    """Revoke the root."""
    mounts.init(server, mount)
    Operator.of(server).write(f"{mount}/issuer/default/revoke")


def without_issuance(server: DevVault, mount: str) -> None:
    """Let the root sign only CRLs."""
    mounts.init(server, mount)
    mounts.change_issuer(server, mount, usage="read-only,crl-signing")


def near_its_end(server: DevVault, mount: str, behavior: str = "err") -> None:
    """Make the root valid for two days, less than the default TTL of servers."""
    mounts.constrained_root(server, mount, ttl="48h")
    mounts.change_issuer(server, mount, leaf_not_after_behavior=behavior)


def near_its_end_and_truncating(server: DevVault, mount: str) -> None:
    """Do the same, and truncate leaves to the root's end."""
    near_its_end(server, mount, "truncate")


def barred_from_the_domain(server: DevVault, mount: str) -> None:
    """Constrain the root to another domain."""
    mounts.constrained_root(server, mount, permitted_dns_domains="other.internal")


def allowed_some_of_the_domain(server: DevVault, mount: str) -> None:
    """Constrain the root to one host of the domain, the one issued for."""
    mounts.constrained_root(server, mount, permitted_dns_domains=f"a.{mounts.DOMAIN}")


def barred_from_addresses(server: DevVault, mount: str) -> None:
    """Exclude all IPv4 addresses, which the host issued for needs none of; OpenBao ignores it."""
    mounts.constrained_root(server, mount, excluded_ip_ranges="0.0.0.0/0")


def deleted(server: DevVault, mount: str) -> None:
    """Delete the root but not its key, under the name that a new root could take."""
    operator = Operator.of(server)
    mounts.empty(server, mount)
    names = {"common_name": "old", "issuer_name": "root-1", "key_name": "root-1", "ttl": "900h"}
    operator.write(f"{mount}/issuers/generate/root/internal", names)
    operator.call("DELETE", f"{mount}/issuer/root-1")


def without_health(request: Request, forward: Forward) -> Answer:
    """Hide sys/health, as a proxy may."""
    return refusal(403, "forbidden") if request.path == "sys/health" else forward(request)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (expired, "(CN={mount} root) expired at "),
        (revoked, "(CN=dockertls root 1) is revoked; "),
        (without_issuance, "may not issue certificates (usage: crl-signing,read-only); "),
        (near_its_end, ", before the default server TTL of 7d; "),
        (mounts.ed25519_root, "the key of CN={mount} root is not RSA, P-256"),
        (mounts.p224_root, "the key of CN={mount} root is not RSA, P-256"),
        (
            barred_from_the_domain,
            f"(CN={{mount}} root) may sign for no name below {mounts.DOMAIN}: its name constr",
        ),
        (allowed_some_of_the_domain, ""),
        (barred_from_addresses, ""),
        (near_its_end_and_truncating, ""),
        (deleted, ""),
        (mounts.init, ""),
        (mounts.intermediate, ""),
        (mounts.rsa_root, ""),
    ],
    ids=lambda found: getattr(found, "__name__", None),
)
def test_ready_means_certificates_can_be_issued(
    state: Any,
    words: str,
    vault_server: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the default TTL, for both purposes; otherwise the reason is given."""
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
    assert ("no changes needed" in told.out) == (not words)
    kept = [line for line in told.err.splitlines() if " has no issuer: " in line]
    assert bool(kept) == (state is deleted)
    assert (told.err.count("\n") > len(kept)) == bool(words)
    assert ("no certificate can be issued yet: the default issuer of" in told.err) == bool(words)
    assert words.format(mount=mount) in told.err
    assert operator.call("LIST", f"{mount}/issuers")[1]["data"] == issuers[1]["data"]
    server = ["issue", "server", "--host", f"a.{mounts.DOMAIN}", "--dir", str(tmp_path / "s")]
    client = ["issue", "client", "--dir", str(tmp_path / "c")]
    statuses = [main.run([*command, "--mount", mount]) for command in (server, client)]
    assert (statuses == [0, 0]) == (not words)


def test_issuer_that_is_too_new_for_vault_is_not_ready(
    vault_server: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nor is `issue` willing to wait so long: both exit with 75, and a longer --timeout helps."""
    lead_to(vault_server, monkeypatch)
    mount = f"pki-{secrets.token_hex(4)}"
    mounts.constrained_root(vault_server, mount, not_before_duration="0s")
    status = 75 if vault_server.ignores else 0
    assert main.run(["ca", "init", "--mount", mount, "--timeout", "5s"]) == status
    said = capsys.readouterr().err
    assert bool(
        re.search(r"too new .* another \w+; run `dockertls-vault ca init` again then", said)
    ) == bool(vault_server.ignores)
    assert main.run(["ca", "init", "--mount", mount, "--timeout", "6m"]) == 0
    out = str(tmp_path / "c")
    issue = ["issue", "client", "--mount", mount, "--dir", out, "--timeout", "1s"]
    assert main.run(issue) == status


@pytest.mark.parametrize(
    ("rules", "status"),
    [
        ([RoleParameters()], 0),
        ([Health(enterprise=False, version="1.21.0"), RoleParameters()], 0),
        ([Health(enterprise=False, version="1.21.1"), not_before_the_issuer], 75),
        ([Health(enterprise=True, version="2.0.2+ent"), not_before_the_issuer], 75),
        ([Health(enterprise=False, version=""), not_before_the_issuer], 75),
        ([without_health], 0),
    ],
    ids=["OpenBao 2.5", "Vault 1.21.0", "Vault 1.21.1", "Vault 2", "redacted", "no health"],
)
def test_issuer_is_too_new_only_if_the_server_refuses(
    rules: Sequence[Rule],
    status: int,
    openbao: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`ca init` and `issue` agree, whichever server and version it is."""
    mount = f"pki-{secrets.token_hex(4)}"
    mounts.constrained_root(openbao, mount, not_before_duration="0s")
    with speaking(rules, openbao.address) as address:
        lead_to(replace(openbao, address=address), monkeypatch)
        init = ["ca", "init", "--mount", mount, "--timeout", "5s", "-o", "json"]
        assert main.run(init) == status
        data = json.loads(capsys.readouterr().out)["data"]
        assert data["ready"] is (status == 0)
        assert (data["retry_after"] or 0) in (range(240, 301) if status else [0])
        issue = ["issue", "client", "--mount", mount, "--dir", str(tmp_path / "c")]
        assert main.run([*issue, "--timeout", "5s"]) == status


def test_key_of_a_deleted_issuer_is_reported(
    vault_server: DevVault, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the command that deletes it, after which there is no warning."""
    lead_to(vault_server, monkeypatch)
    mount = f"pki-{secrets.token_hex(4)}"
    deleted(vault_server, mount)
    assert main.run(["ca", "init", "--mount", mount, "--domain", mounts.DOMAIN]) == 0
    assert (
        f"warning: the key root-1 in {mount} has no issuer: its certificate was deleted, or has "
        f"yet to be signed; if the key is not needed: bao delete {mount}/key/root-1\n"
    ) in capsys.readouterr().err
    Operator.of(vault_server).call("DELETE", f"{mount}/key/root-1")
    assert main.run(["ca", "init", "--mount", mount]) == 0
    assert capsys.readouterr().err == ""


def test_health_that_hangs_is_not_waited_for(
    openbao: DevVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy may block it; what comes after it still has the rest of the time."""
    mount = f"pki-{secrets.token_hex(4)}"
    mounts.init(openbao, mount)
    released = threading.Event()

    def hanging(request: Request, forward: Forward) -> Answer:
        if request.path == "sys/health":
            released.wait()
        return forward(request)

    with speaking([hanging], openbao.address) as proxy:
        lead_to(openbao, monkeypatch)
        monkeypatch.setenv("BAO_ADDR", proxy)
        try:
            assert main.run(["ca", "init", "--mount", mount, "--timeout", "120s"]) == 0
        finally:
            released.set()
