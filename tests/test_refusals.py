"""Refusals by a role or an issuer: permanent, and with a hint; on real servers."""

from __future__ import annotations

import json
import re
import secrets
import shlex
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.certificate.certificate import load_certificates
from dockertls_vault.cli import main
from dockertls_vault.errors import IssuerTooNew
from dockertls_vault.vault.issuer_age import wait_until_old_enough
from dockertls_vault.vault.pki import PKI
from dockertls_vault.vault.roles import allow_names_command
from tests.vault.waits import Waits

from .mounts import lead_to
from .vault.operator import Operator, session

if TYPE_CHECKING:
    from pathlib import Path

    from .harness.openbao import DevVault

NAME = "a.example.internal"
SERVER = {
    "key_type": "any",
    "allowed_domains": ["example.internal"],
    "allow_subdomains": True,
    "client_flag": False,
    "require_cn": False,
    "max_ttl": "720h",
}
CLIENT = {"key_type": "any", "server_flag": False, "require_cn": True}


# The role's parameters, the request, the exit status, the message and the hint.
REFUSALS: dict[str, tuple[dict[str, Any], list[str], int, str, str]] = {
    "an EC key for RSA alone": (
        {"key_type": "rsa"},
        [],
        78,
        "'server' requires another type of key: role requires keys of type rsa",
        "use --key-type rsa-2048 (or larger: rsa-3072, rsa-4096), or set key_type=any",
    ),
    "the RSA key that is long enough": (
        {"key_type": "rsa", "key_bits": 3072},
        ["--key-type", "rsa-3072"],
        0,
        "",
        "",
    ),
    "an RSA key that is too short": (
        {"key_type": "rsa", "key_bits": 4096},
        ["--key-type", "rsa-2048"],
        78,
        "requires a larger key: role requires a minimum of a 4096-bit key",
        "use --key-type rsa-4096, or set key_type=any in the role",
    ),
    "an RSA key that none of ours is as long as": (
        {"key_type": "rsa", "key_bits": 8192},
        ["--key-type", "rsa-4096"],
        78,
        "requires a larger key: role requires a minimum of a 8192-bit key",
        "set key_bits=4096 in the role",
    ),
    "P-256 for P-384": (
        {"key_type": "ec", "key_bits": 384},
        [],
        78,
        "requires a larger key: role requires a minimum of a 384-bit key",
        "use --key-type ec-p384, or set key_type=any in the role",
    ),
    "P-384": ({"key_type": "ec", "key_bits": 384}, ["--key-type", "ec-p384"], 0, "", ""),
    "P-384 for P-521": (
        {"key_type": "ec", "key_bits": 521},
        ["--key-type", "ec-p384"],
        78,
        "requires a larger key: role requires a minimum of a 521-bit key",
        "use --key-type ec-p521, or set key_type=any in the role",
    ),
    "an RSA key for EC alone": (
        {"key_type": "ec"},
        ["--key-type", "rsa-2048"],
        78,
        "requires another type of key: role requires keys of type ec",
        "use --key-type ec-p256 (or larger: ec-p384, ec-p521), or set key_type=any",
    ),
    "an EC key for Ed25519": (
        {"key_type": "ed25519"},
        [],
        78,
        "requires another type of key: role requires keys of type ed25519",
        "use --key-type ed25519, or set key_type=any in the role",
    ),
    "an address in the CSR": (
        {"allow_ip_sans": False},
        ["--host", NAME, "--host", "10.1.2.3"],
        65,
        "'server' allows no IP address: IP Subject Alternative Names are not allowed",
        "request DNS names (--host), or set allow_ip_sans=true in the role",
    ),
    "an address in a parameter": (
        {"allow_ip_sans": False, "use_csr_sans": False},
        ["--host", "10.1.2.3"],
        65,
        "'server' allows no IP address: IP Subject Alternative Names are not allowed",
        "request DNS names (--host), or set allow_ip_sans=true in the role",
    ),
    "a wildcard": (
        {"allow_wildcard_certificates": False},
        ["--host", "*.example.internal"],
        65,
        "'server' does not allow the name '*.example.internal'",
        "request another name (--host), or set allow_wildcard_certificates=true in the role",
    ),
    "a name of another domain": (
        {},
        ["--host", "a.elsewhere.example"],
        65,
        "'server' does not allow the name 'a.elsewhere.example'",
        "request another name (--host), or allow it in the role: `",
    ),
    "a bare name": (
        {},
        ["--host", "docker"],
        65,
        "'server' does not allow the name 'docker'",
        "role: `dockertls-vault ca init --domain docker --allow-bare-domains --mount refusing-",
    ),
    "the flags that Vault gives a role": (
        {"client_flag": True},
        [],
        65,
        "is clientAuth, serverAuth; only serverAuth was requested",
        "set client_flag=false in the role 'server'",
    ),
    "an underscore": (
        {},
        ["--host", "app_docker_1.example.internal"],
        65,
        "'server' does not allow the name 'app_docker_1.example.internal'",
        "request another name (--host), or set enforce_hostnames=false in the role",
    ),
    "an underscore that is allowed": (
        {"enforce_hostnames": False},
        ["--host", "app_docker_1.example.internal"],
        0,
        "",
        "",
    ),
    "addresses without a common name": (
        {"require_cn": True},
        ["--host", "10.1.2.3"],
        78,
        "'server' requires a common name, but the request has no DNS name of at most 64 characters",
        "set require_cn=false in the role, or add a DNS name (--host)",
    ),
    "a not_after of the role": (
        {"not_after": "2040-01-01T00:00:00Z"},
        [],
        78,
        "'server' has a fixed not_after",
        'set not_after="" and a max_ttl in the role',
    ),
    "an issuer that is not there": (
        {"issuer_ref": "gone"},
        [],
        78,
        "'server' has no issuer that can sign",
        "default=NAME`), or set issuer_ref=NAME in the role",
    ),
}


@pytest.fixture
def bao(openbao: DevVault, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """Return the operator of OpenBao, and point the program to it."""
    lead_to(openbao, monkeypatch)
    return Operator.of(openbao)


@pytest.fixture
def community(vault_community: DevVault, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """Return the operator of Vault Community, and point the program to it."""
    lead_to(vault_community, monkeypatch)
    return Operator.of(vault_community)


def make(operator: Operator, *, root: dict[str, Any] | None = None, **server: Any) -> str:
    """Create a mount with a root and the roles server and client; return its path."""
    mount = f"refusing-{secrets.token_hex(4)}"
    operator.write(f"sys/mounts/{mount}", {"type": "pki", "config": {"max_lease_ttl": "87600h"}})
    asked = {"common_name": "refusing root", "key_type": "ec", "ttl": "8760h"}
    operator.write(f"{mount}/issuers/generate/root/internal", {**asked, **(root or {})})
    operator.write(f"{mount}/roles/server", {**SERVER, **server})
    operator.write(f"{mount}/roles/client", CLIENT)
    return mount


def change_issuer(operator: Operator, mount: str, **parameters: Any) -> None:
    """Change the default issuer of a mount."""
    merge = {"Content_Type": "application/merge-patch+json"}
    assert operator.call("PATCH", f"{mount}/issuer/default", parameters, **merge)[0] == 200


def issue(mount: str, out: Path, *arguments: str) -> int:
    """Run `issue server` for one name unless others are given; return its status."""
    names = () if "--host" in arguments else ("--host", NAME)
    return main.run(["issue", "server", "--mount", mount, "--dir", str(out), *names, *arguments])


@pytest.mark.parametrize(
    ("role", "arguments", "status", "words", "hint"), REFUSALS.values(), ids=REFUSALS
)
def test_refusal_by_a_role_is_not_an_outage(
    role: dict[str, Any],
    arguments: list[str],
    status: int,
    words: str,
    hint: str,
    vault_server: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The status is not 69, and the hint says what to change."""
    lead_to(vault_server, monkeypatch)
    mount = make(Operator.of(vault_server), **role)
    assert issue(mount, tmp_path / "s", *arguments) == status
    told = capsys.readouterr().err
    assert words in told
    assert hint in told
    assert (tmp_path / "s").exists() is (status == 0)


def test_address_outside_the_roles_ranges_is_named(
    bao: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only OpenBao's roles have ranges; the first address outside is named."""
    mount = make(bao, allowed_ip_sans_cidr=["10.0.0.0/8"])
    assert issue(mount, tmp_path / "s", "--host", "10.1.2.3", "--host", "192.0.2.1") == 65
    told = capsys.readouterr().err
    assert "'server' does not allow the address 192.0.2.1" in told
    assert "request another address (--host), or widen allowed_ip_sans_cidr in the role" in told


def test_client_name_refused_by_a_role_has_the_right_hint(
    bao: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another flag and other parameters than for a host; it may contain spaces."""
    command = ["issue", "client", "--mount", make(bao), "--dir", str(tmp_path / "c")]
    assert main.run([*command, "--name", "Jörg Müller"]) == 65
    told = capsys.readouterr().err
    assert "does not allow the name 'Jörg Müller'" in told
    assert "hint: request another name (--name), or set allow_any_name=true" in told
    assert "but never in a role for servers" in told


@pytest.mark.parametrize(
    ("asked", "role", "words"),
    [
        (["client"], "server", "is 'server' a role for clients (--role)? if so, "),
        (["server", "--host", NAME], "client", "is 'client' a role for servers (--role)? if so, "),
    ],
)
def test_role_of_the_other_purpose_is_not_to_be_widened(
    asked: list[str],
    role: str,
    words: str,
    bao: Operator,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It refuses the name rightly; the hint asks whether it is the right role."""
    out = str(tmp_path / "c")
    assert main.run(["issue", *asked, "--mount", make(bao), "--role", role, "--dir", out]) == 65
    assert f"hint: {words}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("role", "dropped_names", "kept"),
    [
        ({"allow_ip_sans": False}, {"127.0.0.1", "::1", "198.51.100.7"}, set()),
        ({"allowed_ip_sans_cidr": ["127.0.0.0/8"]}, {"::1", "198.51.100.7"}, {"127.0.0.1"}),
    ],
)
def test_detected_addresses_that_are_refused_are_left_out(
    role: dict[str, Any],
    dropped_names: set[str],
    kept: set[str],
    bao: Operator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All at once or one by one, as the role decides; with a warning."""
    monkeypatch.setattr("dockertls_vault.host.identity._addresses", lambda: ["198.51.100.7"])
    monkeypatch.setattr("socket.gethostname", lambda: NAME)
    command = ["issue", "server", "--mount", make(bao, **role), "--dir", str(tmp_path / "s")]
    assert main.run([*command, "--key-type", "ed25519", "-o", "json"]) == 0
    captured = capsys.readouterr()
    data = json.loads(captured.out)["data"]
    assert set(data["dropped_names"]) == dropped_names
    assert set(data["certificate"]["ip_addresses"]) == kept
    assert NAME in data["certificate"]["dns_names"]
    for address in dropped_names:
        assert address in captured.err.partition("dropped names")[2]


def test_detected_host_name_with_an_underscore_is_left_out(
    bao: Operator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The warning says what the role would have to allow."""
    monkeypatch.setattr("socket.gethostname", lambda: "my_host.example.internal")
    assert main.run(["issue", "server", "--mount", make(bao), "--dir", str(tmp_path / "s")]) == 0
    limit = "my_host.example.internal (an underscore requires enforce_hostnames=false in the role)"
    assert limit in capsys.readouterr().err


def pasted(said: str) -> list[str]:
    """Return the arguments of the command in a message."""
    found = re.search(r"`dockertls-vault ([^`]+)`", said)
    assert found is not None
    return shlex.split(found[1])


def test_suggested_command_allows_a_bare_name(
    bao: Operator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It works for a detected and for a requested name."""
    mount, out = f"bare-{secrets.token_hex(4)}", tmp_path / "s"
    assert bao.address
    monkeypatch.setattr("socket.gethostname", lambda: "vm")
    monkeypatch.setattr("dockertls_vault.host.identity._host_names", lambda _: ("vm", NAME))
    assert main.run(["ca", "init", "--mount", mount, "--domain", "example.internal"]) == 0
    command = ["issue", "server", "--mount", mount, "--dir", str(out)]
    assert main.run(command) == 0
    said = capsys.readouterr().err
    assert "allow: vm; if clients use one, allow it: `" in said
    assert main.run(pasted(said)) == 0
    assert main.run(command) == 0
    assert "dropped names" not in capsys.readouterr().err
    assert issue(mount, out, "--host", "docker") == 65
    assert main.run(pasted(capsys.readouterr().err)) == 0
    assert issue(mount, out, "--host", "docker") == 0


@pytest.mark.parametrize(
    ("names", "mount", "role", "command"),
    [
        (["a.example.internal"], "dockertls", "server", "ca init --domain example.internal"),
        (["vm.lan"], "dockertls", "server", "ca init --domain vm.lan --allow-bare-domains"),
        (
            ["vm", "vm.lan"],
            "dockertls",
            "server",
            "ca init --domain vm --allow-bare-domains --domain vm.lan",
        ),
        (["localhost"], "team/pki", "server", "ca init --allow-localhost --mount team/pki"),
        (["$(reboot)"], "dockertls", "server", "ca init --domain '$(reboot)' --allow-bare-domains"),
    ],
)
def test_suggested_options_are_few_and_quoted(
    names: list[str], mount: str, role: str, command: str
) -> None:
    """A server may return any text as the refused name."""
    assert allow_names_command(names, mount, role) == f"dockertls-vault {command}"


def test_suggested_command_names_the_role() -> None:
    """If `ca init` has to change one with another name."""
    assert allow_names_command(["vm"], "dockertls", "hosts").startswith(
        "DOCKERTLS_SERVER_ROLE=hosts docker"
    )


def test_detected_names_outside_the_constraints_are_left_out(
    community: Operator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Vault evaluates name constraints, and names the first that violates them."""
    root = {"permitted_dns_domains": "example.internal", "not_before_duration": "1h"}
    monkeypatch.setattr("socket.gethostname", lambda: NAME)
    command = ["issue", "server", "--mount", make(community, root=root)]
    assert main.run([*command, "--dir", str(tmp_path / "s")]) == 0
    assert "or its issuer does not allow: localhost" in capsys.readouterr().err
    assert main.run([*command, "--dir", str(tmp_path / "s"), "--host", "localhost"]) == 65
    assert "may not sign for 'localhost'" in capsys.readouterr().err


def test_suggested_ttl_works(
    bao: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An issuer that expires in two days cannot sign for a week."""
    mount = make(bao, root={"ttl": "48h"})
    assert issue(mount, tmp_path / "s") == 78
    hint = re.search(r"use --ttl (\S+), or set leaf_not_after", capsys.readouterr().err)
    assert hint is not None
    assert hint[1] in {"1d23h", "1d22h"}
    assert issue(mount, tmp_path / "s", "--ttl", hint[1]) == 0


@pytest.mark.parametrize("behavior", ["err", "truncate", "permit"])
def test_expired_issuer_is_reported(
    behavior: str, bao: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Below a valid root: no TTL fits, and OpenBao's certificate would be useless."""
    below = make_below(bao, make(bao), "1s", "pem_bundle")
    change_issuer(bao, below, leaf_not_after_behavior=behavior)
    assert issue(below, tmp_path / "s") == 78
    told = capsys.readouterr().err
    assert re.search(r"^error: the issuer .* expired at \d{4}-\d\d-\d\d", told)
    assert "make another issuer the default" in told
    assert not (tmp_path / "s").exists()


def make_below(operator: Operator, mount: str, ttl: str, kind: str) -> str:
    """Create a mount with an intermediate below ``mount``'s root; wait a second.

    ``kind`` is "pem" for the intermediate only, "pem_bundle" with its root.
    """
    below = f"{mount}-below"
    operator.write(f"sys/mounts/{below}", {"type": "pki"})
    body = {"common_name": "below", "key_type": "ec"}
    made = operator.write(f"{below}/issuers/generate/intermediate/internal", body)["data"]
    body = {"csr": made["csr"], "common_name": "below", "ttl": ttl, "format": kind}
    signed = operator.write(f"{mount}/root/sign-intermediate", body)["data"]
    pem = {"pem_bundle": signed["certificate"]}
    mapping = operator.write(f"{below}/issuers/import/cert", pem)["data"]["mapping"]
    (issuer,) = (found for found, key in mapping.items() if key)
    operator.write(f"{below}/config/issuers", {"default": issuer})
    operator.write(f"{below}/roles/server", SERVER)
    while ttl == "1s" and time.time() <= signed["expiration"]:
        time.sleep(0.1)
    return below


def test_expired_root_is_reported(
    bao: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is nothing to trust, so no certificate is requested."""
    mount = make(bao, root={"ttl": "1s"})
    time.sleep(2)
    assert issue(mount, tmp_path / "s") == 78
    told = capsys.readouterr().err
    assert re.search(rf"the root of the mount '{mount}' expired at \d{{4}}-", told)
    assert "bao write MOUNT/root/rotate/internal" in told


def test_intermediate_without_its_root_is_reported(
    bao: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its root is in another mount, and the hint says how to name that."""
    assert issue(make_below(bao, make(bao), "24h", "pem"), tmp_path / "s") == 65
    told = capsys.readouterr().err
    assert "has no root certificate" in told
    assert "--trust-mount" in told


def test_default_issuer_that_may_not_sign_is_reported(
    bao: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here a retired root is still the default."""
    mount = make(bao)
    change_issuer(bao, mount, usage="read-only,crl-signing")
    assert issue(mount, tmp_path / "s") == 78
    assert "has no issuer that can sign" in capsys.readouterr().err


def test_certificate_with_a_lease_is_revoked_with_our_token(
    bao: Operator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """At the end of the command, which is a warning."""
    mount = make(bao, generate_lease=True, no_store=False)
    auth = bao.enable_auth("approle")
    policy = bao.policy(f'path "{mount}/sign/server" {{ capabilities = ["update"] }}')
    bao.write(f"auth/{auth}/role/host", {"token_policies": [policy]})
    role_id = bao.read(f"auth/{auth}/role/host/role-id")["role_id"]
    secret_id = bao.write(f"auth/{auth}/role/host/secret-id")["data"]["secret_id"]
    monkeypatch.delenv("BAO_TOKEN")
    monkeypatch.setenv("DOCKERTLS_AUTH_MOUNT", auth)
    monkeypatch.setenv("DOCKERTLS_ROLE_ID", role_id)
    monkeypatch.setenv("DOCKERTLS_SECRET_ID", secret_id)
    assert issue(mount, tmp_path / "s", "-o", "json") == 0
    envelope = json.loads(capsys.readouterr().out)
    (warning,) = envelope["warnings"]
    assert "generate_lease=true" in warning
    assert "revokes the certificate with the token, when this command ends" in warning
    serial = envelope["data"]["certificate"]["serial"]
    assert bao.read(f"{mount}/cert/{serial}")["revocation_time"] > 0


def test_certificate_with_a_lease_is_revoked_with_a_given_token(
    bao: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Later, when that expires; without storage there is no lease and no warning."""
    mount = make(bao, generate_lease=True, no_store=False)
    assert issue(mount, tmp_path / "s") == 0
    assert "with the token, when that expires or is revoked" in capsys.readouterr().err
    bao.write(f"{mount}/roles/server", {**SERVER, "generate_lease": True, "no_store": True})
    assert issue(mount, tmp_path / "s") == 0
    assert "a lease" not in capsys.readouterr().err


class TestYoungIssuer:
    """Only Vault: the root is new, and backdated by less than its leaves."""

    TOO_NEW = "the issuer of the role 'server' is too new for certificates backdated by 5m"

    @pytest.fixture
    def mount(self, community: Operator) -> str:
        """Create a mount whose root is 30 s old, with a role that backdates by 5 min."""
        return make(community, not_before_duration="5m")

    @pytest.fixture
    def slept(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """Record waits, which take no time."""
        waits: list[float] = []
        monkeypatch.setattr("dockertls_vault.vault.http.cluster.stop.wait", waits.append)
        return waits

    @pytest.fixture
    def aging(
        self, mount: str, slept: list[float], community: Operator, monkeypatch: pytest.MonkeyPatch
    ) -> list[float]:
        """Record waits; after the first one, the issuer is old enough for the role."""

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            community.write(f"{mount}/roles/server", {**SERVER, "not_before_duration": "30s"})

        monkeypatch.setattr("dockertls_vault.vault.http.cluster.stop.wait", sleep)
        return slept

    @pytest.fixture
    def _may_only_sign(
        self, mount: str, community: Operator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Give the program a token that may not read the role."""
        policy = community.policy(f'path "{mount}/sign/server" {{ capabilities = ["update"] }}')
        monkeypatch.setenv("BAO_TOKEN", community.create_token(policies=[policy]))

    def test_young_issuer_is_waited_for(
        self, mount: str, aging: list[float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """As long as it takes, within the budget; the wait is reported."""
        assert issue(mount, tmp_path / "s", "--timeout", "10m") == 0
        (wait,) = aging
        assert 0 < wait <= 271
        told = capsys.readouterr().err
        assert re.search(rf"^waiting (4m)?\d+s: {self.TOO_NEW}$", told, re.MULTILINE)

    def test_wait_beyond_the_budget_is_an_error(
        self, mount: str, slept: list[float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """It fails at once, and the error has the seconds to wait."""
        assert issue(mount, tmp_path / "s") == 75
        assert slept == []
        told = capsys.readouterr().err
        assert re.search(rf"^error: {self.TOO_NEW}$", told, re.MULTILINE)
        assert re.search(
            r"^hint: try again in (4m)?\d+s, or use a longer --timeout", told, re.MULTILINE
        )

    @pytest.mark.usefixtures("_may_only_sign")
    def test_issuing_is_retried_if_the_role_may_not_be_read(
        self, mount: str, aging: list[float], tmp_path: Path
    ) -> None:
        """The length of the wait is unknown then."""
        assert issue(mount, tmp_path / "s") == 0
        assert aging == [2.0]

    @pytest.mark.usefixtures("_may_only_sign")
    def test_error_states_the_age_that_is_needed(
        self, mount: str, slept: list[float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """If the role may not be read: the age for a role of `ca init`, once the budget is over."""
        assert issue(mount, tmp_path / "s", "--timeout", "20s") == 75
        assert 0 < sum(slept) <= 20
        told = capsys.readouterr().err
        assert "the remaining time is unknown, because the token may not read the role" in told
        assert re.search(r"^hint: try again in (4m)?\d+s: enough for a role", told, re.MULTILINE)

    @pytest.mark.parametrize(("before", "wait"), [(42, 42), (41.5, 42), (0, 1), (-60, 1)], ids=str)
    def test_wait_is_measured_by_vaults_clock(
        self, before: float, wait: float, mount: str, community: Operator, slept: list[float]
    ) -> None:
        """The wait is in whole seconds, and at least one."""
        waits = Waits()
        variables = {"VAULT_TOKEN": community.token, "DOCKERTLS_TIMEOUT": "5m"}
        with session(community.address, waits, **variables) as opened:
            pki = PKI(opened, mount)
            (root,) = load_certificates(pki.issuer("default"))
            old_enough = root.not_valid_before_utc + timedelta(minutes=5)
            young = IssuerTooNew("too young", asked_at=old_enough - timedelta(seconds=before))
            wait_until_old_enough(opened, "server", pki.role("server"), pki.issuer, young)
        assert slept == [wait]
        assert waits.texts == [f"waiting {wait}s: {self.TOO_NEW}"]

    def test_wait_is_measured_by_our_clock_without_a_date_header(
        self, mount: str, community: Operator
    ) -> None:
        """A proxy may strip it."""
        young = IssuerTooNew("young")
        with session(community.address, VAULT_TOKEN=community.token) as opened:
            pki = PKI(opened, mount)
            role = pki.role("server")
            with pytest.raises(IssuerTooNew, match=f"^{self.TOO_NEW}$"):
                wait_until_old_enough(opened, "server", role, pki.issuer, young)
