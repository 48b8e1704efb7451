"""Issuing as a user does: the same on the fake, on OpenBao and on both dialects of Vault."""

from __future__ import annotations

import json
import re
import secrets
import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from dockertls_vault.certificate.request import KeyType
from dockertls_vault.certificate.verify import extended_key_usages
from dockertls_vault.cli import main

from . import fake_vault, mounts
from .certificates import CLIENT_AUTH, SERVER_AUTH
from .mounts import lead_to

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .fake_vault import FakeVault
    from .harness.openbao import DevVault
    from .mounts import Server


@pytest.fixture(scope="module", params=["fake", "openbao", "vault_community", "vault_enterprise"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Return each server in turn, after `ca init`."""
    if request.param == "fake":
        with fake_vault.running() as fake:
            yield fake
    else:
        real: DevVault = request.getfixturevalue(request.param)
        mounts.init(real)
        yield real


@pytest.fixture
def vault(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the program to a server."""
    lead_to(server, monkeypatch)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    """Run a command, expect success, and return the data of its JSON."""
    status = main.run([*map(str, arguments), "-o", "json"])
    captured = capsys.readouterr()
    assert status == 0, captured.err
    envelope = json.loads(captured.out)
    assert envelope["ok"] is True
    data: dict[str, Any] = envelope["data"]
    return data


def certificate(path: Path) -> x509.Certificate:
    """Return the first certificate of a file."""
    return x509.load_pem_x509_certificates(path.read_bytes())[0]


@pytest.mark.usefixtures("vault")
def test_server_certificate_is_as_requested(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names, usage, key, modes and trust bundle, and the JSON agrees."""
    out = tmp_path / "tls"
    arguments = ("--host", "a.example.internal", "--host", "10.1.2.3", "--host", "::1")
    data = run(capsys, "issue", "server", *arguments, "--dir", out)
    issued = certificate(out / "server-cert.pem")
    assert extended_key_usages(issued) == {SERVER_AUTH}
    assert data["certificate"]["dns_names"] == ["a.example.internal"]
    assert data["certificate"]["ip_addresses"] == ["10.1.2.3", "::1"]
    assert data["certificate"]["subject"] == "CN=a.example.internal"
    assert data["requested_ttl"] == 7 * 86400
    assert data["ttl_capped"] is False
    assert [file["mode"] for file in data["files"]] == ["0444", "0444", "0400"]
    assert stat.S_IMODE((out / "server-key.pem").stat().st_mode) == 0o400
    key = serialization.load_pem_private_key((out / "server-key.pem").read_bytes(), None)
    assert key.public_key() == issued.public_key()
    issued.verify_directly_issued_by(certificate(out / "ca.pem"))


@pytest.mark.usefixtures("vault")
def test_client_certificate_has_only_a_common_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Docker takes it as the user; no SAN, and an hour of validity."""
    data = run(capsys, "issue", "client", "--name", "alice@ci", "--dir", tmp_path / "c")
    assert data["certificate"]["common_name"] == "alice@ci"
    assert (data["certificate"]["dns_names"], data["certificate"]["ip_addresses"]) == ([], [])
    assert extended_key_usages(certificate(tmp_path / "c" / "cert.pem")) == {CLIENT_AUTH}
    not_after = datetime.fromisoformat(data["certificate"]["not_after"])
    assert timedelta(0) < not_after - datetime.now(UTC) <= timedelta(hours=1)


@pytest.mark.usefixtures("vault")
@pytest.mark.parametrize("server", ["openbao"], indirect=True)
@pytest.mark.parametrize("key_type", list(KeyType))
def test_every_key_type_is_signed(
    key_type: KeyType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The key on disk has the requested type, in PKCS #8."""
    run(capsys, "issue", "client", "--key-type", key_type.value, "--dir", tmp_path / "c")
    pem = (tmp_path / "c" / "key.pem").read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    assert pem.startswith(b"-----BEGIN PRIVATE KEY-----")
    match key_type.algorithm:
        case "ec":
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            assert key.curve.name == key_type.value.replace("ec-p", "secp") + "r1"
        case "rsa":
            assert isinstance(key, rsa.RSAPrivateKey)
            assert key.key_size == int(key_type.value.removeprefix("rsa-"))
        case _:
            assert isinstance(key, ed25519.Ed25519PrivateKey)


@pytest.mark.usefixtures("vault")
def test_key_type_is_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A variable sets it for all commands on a host; the flag takes precedence."""
    monkeypatch.setenv("DOCKERTLS_KEY_TYPE", "ec-p384")
    command = ("issue", "client", "--dir", tmp_path / "c")
    assert run(capsys, *command)["key_type"] == "ec-p384"
    assert run(capsys, *command, "--key-type", "ed25519")["key_type"] == "ed25519"


@pytest.mark.usefixtures("vault")
def test_issuing_again_renews_the_credential(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second run is safe: a new generation and key, and the first one is kept."""
    out = tmp_path / "c"
    serials = {
        run(capsys, "issue", "client", "--dir", out)["certificate"]["serial"] for _ in range(2)
    }
    assert len(serials) == 2
    assert len(list((out / ".dockertls" / "generations").iterdir())) == 2


@pytest.mark.usefixtures("vault")
def test_dind_layout_has_a_directory_per_purpose(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As docker:dind expects them in DOCKER_TLS_CERTDIR."""
    run(capsys, "issue", "server", "--host", "localhost", "--layout", "dind", "--dir", tmp_path)
    run(capsys, "issue", "client", "--layout", "dind", "--dir", tmp_path)
    assert {path.name for path in tmp_path.glob("*/*.pem")} == {"ca.pem", "cert.pem", "key.pem"}
    assert extended_key_usages(certificate(tmp_path / "server" / "cert.pem")) == {SERVER_AUTH}
    assert extended_key_usages(certificate(tmp_path / "client" / "cert.pem")) == {CLIENT_AUTH}


@pytest.mark.usefixtures("vault")
def test_text_output_lists_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Subject, names, expiry, fingerprint, and files with their modes."""
    out = tmp_path / "c"
    assert main.run(["issue", "client", "--name", "alice", "--dir", str(out)]) == 0
    words = capsys.readouterr().out
    assert "subject\tCN=alice\n" in words
    assert f"0400 {out / 'key.pem'}\n" in words
    assert "PRIVATE KEY" not in words


@pytest.mark.parametrize(
    ("ttl", "before", "after"),
    [("10m", r" \(backdated (5m|4m59s|5m1s)\)", r" \(10m from now\)"), ("30d", "", "")],
    ids=["as requested", "capped by the role, with a warning"],
)
def test_reported_validity_is_the_ttl(
    ttl: str,
    before: str,
    after: str,
    prepared_server: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Not the time between notBefore and notAfter, which backdating makes longer."""
    lead_to(prepared_server, monkeypatch)
    assert main.run(["issue", "client", "--ttl", ttl, "--dir", str(tmp_path / "c")]) == 0
    words = capsys.readouterr().out
    assert re.search(rf"^valid from\t[\d :-]+ UTC{before}$", words, re.MULTILINE)
    assert re.search(rf"^valid until\t[\d :-]+ UTC{after}$", words, re.MULTILINE)


def test_detected_name_that_the_role_refuses_is_left_out(
    prepared_server: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without --host, names outside the role's domains are dropped with a warning."""
    lead_to(prepared_server, monkeypatch)
    monkeypatch.setattr("socket.gethostname", lambda: "host.elsewhere.example")
    assert main.run(["issue", "server", "--dir", str(tmp_path / "s"), "-o", "json"]) == 0
    captured = capsys.readouterr()
    data = json.loads(captured.out)["data"]
    assert data["dropped_names"] == ["host.elsewhere.example"]
    assert "localhost" in data["certificate"]["dns_names"]
    assert {"127.0.0.1", "::1"} <= set(data["certificate"]["ip_addresses"])
    assert "does not allow: host.elsewhere.example" in captured.err


def test_requested_name_that_the_role_refuses_is_an_error(
    prepared_server: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With --host nothing is dropped: Vault's message is shown, and nothing is written."""
    lead_to(prepared_server, monkeypatch)
    for name in ("a.elsewhere.example", "*.example.internal"):
        out = tmp_path / "s"
        assert main.run(["issue", "server", "--host", name, "--dir", str(out)]) == 65
        assert f"{name} not allowed by this role" in capsys.readouterr().err
        assert not out.exists()


def test_capped_ttl_is_reported(
    prepared_server: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The role's maximum is a day; one warning has the requested TTL and the expiry."""
    lead_to(prepared_server, monkeypatch)
    command = ["issue", "client", "--ttl", "30d", "--dir", str(tmp_path / "c"), "-o", "json"]
    assert main.run(command) == 0
    envelope = json.loads(capsys.readouterr().out)
    assert envelope["data"]["ttl_capped"] is True
    end = datetime.fromisoformat(envelope["data"]["certificate"]["not_after"])
    assert envelope["warnings"] == [
        f"Vault capped the TTL: requested 30d, expires {end:%Y-%m-%d %H:%M:%S} UTC (1d from now)"
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--mount", "nowhere"], 78, "no PKI mount 'nowhere'"),
        (["--role", "nobody"], 78, "the mount has these roles: client, server"),
        (["--ttl", "0s"], 2, "out of range"),
        (["--owner", "no-such-user"], 2, "no such user"),
        (["--owner", str(2**32 - 1)], 2, "no such user"),
        (["--dir", "d"], 2, "--dir was given 2 times"),
    ],
)
def test_invalid_input_is_refused_before_anything_is_touched(
    arguments: list[str],
    status: int,
    words: str,
    prepared_server: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An invalid mount, role, TTL or owner; not even the directory is created."""
    lead_to(prepared_server, monkeypatch)
    assert main.run(["issue", "client", "--dir", str(tmp_path / "c"), *arguments]) == status
    assert words in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


def test_empty_directory_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """It would be the current one: a shell variable that is not set."""
    assert main.run(["issue", "client", "--dir", ""]) == 2
    assert "empty value for --dir" in capsys.readouterr().err


def test_name_outside_the_cas_constraints_is_refused(
    vault_server: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By Vault with Go's message, by us if OpenBao signs it: status 65, nothing installed."""
    lead_to(vault_server, monkeypatch)
    mount = f"constrained-{secrets.token_hex(4)}"
    mounts.constrained_root(vault_server, mount, permitted_dns_domains="a.example.internal")
    command = ["issue", "server", "--mount", mount, "--dir", str(tmp_path / "s"), "--host"]
    assert main.run([*command, "b.example.internal"]) == 65
    assert re.search("name constraints|'b.example.internal'", capsys.readouterr().err)
    assert not (tmp_path / "s").exists()
    assert main.run([*command, "x.a.example.internal"]) == 0


@pytest.mark.parametrize("server", ["vault_community", "vault_enterprise"], indirect=True)
@pytest.mark.usefixtures("vault")
def test_address_outside_the_cas_constraints_is_refused(
    server: DevVault, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only Vault can create a CA constrained to address ranges."""
    mount = f"constrained-{secrets.token_hex(4)}"
    mounts.constrained_root(server, mount, permitted_ip_ranges="10.0.0.0/8")
    command = ["issue", "server", "--mount", mount, "--dir", str(tmp_path / "s"), "--host"]
    assert main.run([*command, "192.0.2.1"]) == 65
    assert "192.0.2.1" in capsys.readouterr().err
    assert not (tmp_path / "s").exists()
    assert main.run([*command, "10.1.2.3"]) == 0


@pytest.mark.parametrize("server", ["openbao", "vault_enterprise"], indirect=True)
@pytest.mark.usefixtures("vault")
def test_unknown_namespace_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If the server has namespaces; Community ignores them, which `auth` reports."""
    arguments = ["--dir", str(tmp_path / "c"), "--namespace", "nowhere"]
    assert main.run(["issue", "client", *arguments]) == 78
    assert "namespace" in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


def test_names_are_sent_in_the_csr_and_as_parameters(
    fake: FakeVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role may read only one of the two."""
    lead_to(fake, monkeypatch)
    names = ["--host", "a.example.internal", "--host", "10.1.2.3"]
    assert main.run(["issue", "server", *names, "--dir", str(tmp_path / "s")]) == 0
    (order,) = fake.orders
    san = order.csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.DNSName) == ["a.example.internal"]
    assert order.body["alt_names"] == "a.example.internal"
    assert order.body["ip_sans"] == "10.1.2.3"
    assert "not_after" not in order.body


def test_expiry_of_the_root_is_reported_as_the_end(
    vault_server: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With leaf_not_after_behavior=permit, a leaf may outlive its root."""
    lead_to(vault_server, monkeypatch)
    mount = f"pki-{secrets.token_hex(4)}"
    mounts.constrained_root(vault_server, mount, ttl="31d")
    mounts.change_issuer(vault_server, mount, leaf_not_after_behavior="permit")
    mounts.change_role(vault_server, mount, "server", max_ttl="90d")
    command = ["issue", "server", "--mount", mount, "--host", "a.example.internal", "--ttl", "60d"]
    assert main.run([*command, "--dir", str(tmp_path / "s"), "-o", "json"]) == 0
    envelope = json.loads(capsys.readouterr().out)
    root = certificate(tmp_path / "s" / "ca.pem")
    leaf = certificate(tmp_path / "s" / "server-cert.pem")
    until, certificates = (
        datetime.fromisoformat(found)
        for found in (envelope["data"]["valid_until"], envelope["data"]["certificate"]["not_after"])
    )
    assert (until, certificates) == (root.not_valid_after_utc, leaf.not_valid_after_utc)
    assert until < certificates
    assert envelope["data"]["ttl_capped"] is True
    (warning,) = [text for text in envelope["warnings"] if "is valid only until" in text]
    assert f"only until {until:%Y-%m-%d %H:%M:%S} UTC, when 'CN={mount} root' in" in warning
    assert not [text for text in envelope["warnings"] if "Vault capped the TTL" in text]
    assert main.run([*command, "--dir", str(tmp_path / "t")]) == 0
    assert f"\nvalid until\t{until:%Y-%m-%d %H:%M:%S} UTC\n" in capsys.readouterr().out


def test_expiry_of_the_last_trusted_root_is_reported_as_the_end(
    prepared: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With --trust-mount, those roots are not above the certificate."""
    lead_to(prepared, monkeypatch)
    mount = f"pki-{secrets.token_hex(4)}"
    mounts.constrained_root(prepared, mount, ttl="48h")
    command = ["issue", "server", "--host", "a.example.internal", "--trust-mount", mount]
    assert main.run([*command, "--dir", str(tmp_path / "s"), "-o", "json"]) == 0
    envelope = json.loads(capsys.readouterr().out)
    end = certificate(tmp_path / "s" / "ca.pem").not_valid_after_utc
    assert datetime.fromisoformat(envelope["data"]["valid_until"]) == end
    assert end < certificate(tmp_path / "s" / "server-cert.pem").not_valid_after_utc
    (warning,) = [text for text in envelope["warnings"] if "no valid root" in text]
    assert f"after {end:%Y-%m-%d %H:%M:%S} UTC," in warning
    assert f"'CN={mount} root'" in warning


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (
            timedelta(minutes=4, seconds=30),
            "this machine's clock is 4m behind Vault's (its Date header)",
        ),
        (
            timedelta(minutes=-10, seconds=-30),
            "this machine's clock is 10m ahead of Vault's (its Date header)",
        ),
    ],
)
def test_clock_difference_is_a_warning(
    ahead: timedelta,
    words: str,
    fake: FakeVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The certificate is installed, and no capped TTL is reported."""
    lead_to(fake, monkeypatch)
    fake.ahead = ahead
    assert main.run(["issue", "client", "--dir", str(tmp_path / "c"), "-o", "json"]) == 0
    envelope = json.loads(capsys.readouterr().out)
    assert envelope["data"]["ttl_capped"] is False
    (warning,) = envelope["warnings"]
    assert _about(words) in _about(warning)


def test_clock_beyond_the_tolerance_is_the_reported_cause(
    fake: FakeVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Beyond five minutes nothing is installed, and the hint is to set the clock."""
    lead_to(fake, monkeypatch)
    fake.ahead = timedelta(minutes=10)
    assert main.run(["issue", "client", "--dir", str(tmp_path / "c")]) == 65
    words = " ".join(capsys.readouterr().err.split())
    assert "behind Vault's (its Date header), but 1h was requested" in words
    assert "check this machine's clock" in words
    assert not (tmp_path / "c").exists()


def _about(words: str) -> str:
    """Drop the seconds: a Date header has no fractions, and requests take time."""
    return re.sub(r"(\d+)m(\d+s)?", lambda found: f"{found[1]}m", words)


def test_ca_with_an_unsupported_key_type_is_refused_with_an_explanation(
    openbao: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Vault signs with Ed25519 and Docker accepts it, but cryptography does not."""
    lead_to(openbao, monkeypatch)
    mounts.ed25519_root(openbao, "ed25519")
    out = tmp_path / "c"
    assert main.run(["issue", "client", "--mount", "ed25519", "--dir", str(out)]) == 65
    words = " ".join(capsys.readouterr().err.split())
    assert "the key of CN=ed25519 root is not RSA, P-256, P-384 or P-521" in words
    assert not out.exists()
