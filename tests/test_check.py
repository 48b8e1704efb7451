"""A check finds what is wrong with the daemon, with our credential, or between the two."""

from __future__ import annotations

import dataclasses
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import certifi
import pytest

from dockertls_vault.certificate.certificate import serial_text
from dockertls_vault.certificate.keys import private_key_pem
from dockertls_vault.certificate.request import KeyType
from dockertls_vault.check import check
from dockertls_vault.credential import store
from dockertls_vault.credential.reader import CredentialFiles
from dockertls_vault.docker.diagnosis import attempts
from dockertls_vault.docker.diagnosis.checks import Check
from dockertls_vault.docker.diagnosis.report import Report, Result
from dockertls_vault.docker.endpoint import Endpoint
from dockertls_vault.docker.handshake.forged import forge

from .certificates import (
    BIT_STRING,
    CLIENT_AUTH,
    SERVER_AUTH,
    Authority,
    in_t61,
    write_credential,
)
from .credentials import DUE, SERVER
from .docker import servers
from .harness.dockerd import dockerd, tls
from .vault.listening import tls_openbao

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cryptography.x509 import Name, ObjectIdentifier

    from dockertls_vault.docker.handshake.channel import ClientCertificate

    from .certificates import Issued

LONG = timedelta(seconds=30)
SHORT = timedelta(milliseconds=300)
WEEK = timedelta(days=7)
CHECKS = [each.identifier for each in Check]


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Return the CA of daemons and clients."""
    return Authority.create("check root")


@pytest.fixture(scope="module")
def daemon(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run a correctly configured daemon on IPv4 and IPv6; yield its port."""
    directory = tmp_path_factory.mktemp("daemon")
    credential = write_credential(directory / "tls", authority.pem, authority.server())
    hosts = ("127.0.0.1", "::1")
    with dockerd(directory, "--tlsverify", *tls(credential), hosts=hosts) as port:
        yield port


@pytest.fixture
def client(authority: Authority, tmp_path: Path) -> Path:
    """Return the directory of a valid client credential."""
    return write_credential(tmp_path / "client", authority.pem, authority.client())


def run(
    port: int,
    credential: Path | None,
    *,
    host: str = "localhost",
    timeout: timedelta = LONG,
    server: Path | None = None,
) -> Report:
    """Check a port with the files of ``credential``, or without any."""
    names = ("ca.pem", "cert.pem", "key.pem")
    files = CredentialFiles(*(credential / name for name in names)) if credential else None
    now = datetime.now(UTC)
    report = check(Endpoint(host, port), files, server=server, timeout=timeout, now=now)
    assert [result.check for result in report.checks] == CHECKS
    for result in report.checks:
        assert result.description
        assert result.summary
        assert result.result in {Result.OK, Result.SKIPPED} or result.reason or result.remedy
    return report


def severities(report: Report) -> dict[str, str]:
    """Return the result of each check."""
    return {result.check: result.result.value for result in report.checks}


def words(report: Report, name: str) -> str:
    """Return all the text of a check."""
    result = next(result for result in report.checks if result.check == name)
    return " ".join(filter(None, (result.summary, result.reason, result.remedy)))


def remedy(report: Report, name: str) -> str:
    """Return the remedy of a check."""
    return next(result.remedy or "" for result in report.checks if result.check == name)


def all_but(**different: str) -> dict[str, str]:
    """Return the results of a report that is ok except for these checks."""
    return {**dict.fromkeys(CHECKS, "ok"), **{k.replace("_", "-"): v for k, v in different.items()}}


def as_a_stranger(**different: str) -> dict[str, str]:
    """Return the results without a credential, otherwise ok except for these checks."""
    return all_but(credential="warning", version="skipped", chain="skipped", **different)


def of_another(**different: str) -> dict[str, str]:
    """Return the results for a server that is not Docker, except for these checks."""
    of_a_daemon = dict.fromkeys(("trust", "name", "chain", "validity", "usage"), "skipped")
    strangers = dict.fromkeys(("no_certificate", "forged_certificate"), "error")
    return all_but(**of_a_daemon, **strangers, **different)


@pytest.mark.parametrize(
    ("host", "address"), [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("localhost", None)]
)
def test_secure_daemon_passes_every_check(
    daemon: int, client: Path, host: str, address: str | None
) -> None:
    """By name, IPv4 and IPv6 address; the report has the Docker version."""
    report = run(daemon, client, host=host)
    assert severities(report) == all_but()
    assert report.result.exit_status == 0
    assert report.daemon is not None
    assert report.daemon.api_version
    assert report.certificate is not None
    assert report.certificate.common_name == "localhost"
    assert report.address == address or address is None


@pytest.mark.parametrize("key_type", list(KeyType))
def test_client_key_of_every_type_is_accepted(
    daemon: int, authority: Authority, tmp_path: Path, key_type: KeyType
) -> None:
    """This covers every value of --key-type."""
    issued = authority.issue("alice", usages=[CLIENT_AUTH], key_type=key_type)
    assert severities(run(daemon, write_credential(tmp_path, authority.pem, issued))) == all_but()


def test_foreign_ca_is_reported_with_both_fingerprints(daemon: int, tmp_path: Path) -> None:
    """Neither peer trusts the other, and the text says whose CA is whose."""
    foreign = Authority.create("another root")
    report = run(daemon, write_credential(tmp_path, foreign.pem, foreign.client()))
    assert severities(report) == all_but(version="error", chain="error")
    assert report.result.exit_status == 65
    assert "clients of CN=check root; our certificate was issued by CN=another root" in words(
        report, "version"
    )
    assert report.certificate is not None
    assert report.certificate.fingerprint_sha256 in words(report, "chain")
    assert "CN=another root" in words(report, "chain")


def test_recreated_ca_of_the_same_name_is_reported(daemon: int, tmp_path: Path) -> None:
    """The names match and the keys do not, as after a rotation without overlap."""
    anew = Authority.create("check root")
    report = run(daemon, write_credential(tmp_path, anew.pem, anew.client()))
    assert severities(report) == all_but(version="error", chain="error")
    assert "recreated" in words(report, "chain")


def test_server_certificate_used_as_a_client_is_reported(
    daemon: int, authority: Authority, tmp_path: Path
) -> None:
    """In the check of our files, before any connection, and in the rejection."""
    report = run(daemon, write_credential(tmp_path, authority.pem, authority.server()))
    assert severities(report) == all_but(credential="error", version="error")
    assert "clientAuth is missing" in words(report, "credential")
    assert "clientAuth is missing" in words(report, "version")


@pytest.mark.parametrize(
    ("not_before", "cause"),
    [(timedelta(days=-8), "expired 1d"), (timedelta(hours=1), "not valid for another 59m")],
)
def test_client_certificate_outside_its_validity_is_reported(
    daemon: int, authority: Authority, tmp_path: Path, not_before: timedelta, cause: str
) -> None:
    """It may have expired or not be valid yet."""
    issued = authority.issue(
        "alice", usages=[CLIENT_AUTH], not_before=datetime.now(UTC) + not_before, lifetime=WEEK
    )
    report = run(daemon, write_credential(tmp_path, authority.pem, issued))
    assert severities(report) == all_but(credential="error", version="error")
    assert cause in words(report, "credential")
    assert cause in words(report, "version")


def test_rejection_of_an_expired_client_has_the_cause_of_our_files(
    daemon: int, authority: Authority, tmp_path: Path
) -> None:
    """Whatever alert an old or new daemon sends."""
    expired = authority.issue(
        "alice", usages=[CLIENT_AUTH], not_before=datetime.now(UTC) - 2 * WEEK, lifetime=WEEK
    )
    report = run(daemon, write_credential(tmp_path, authority.pem, expired))
    refusal = next(result.summary for result in report.checks if result.check == "version")
    assert refusal.removeprefix("rejected: tls: ") in words(report, "credential")


@pytest.mark.parametrize("usages", [(), (CLIENT_AUTH, SERVER_AUTH)])
def test_client_certificate_that_is_also_a_servers_is_a_warning(
    daemon: int, authority: Authority, tmp_path: Path, usages: tuple[ObjectIdentifier, ...]
) -> None:
    """Without an extended key usage, or with both; the daemon accepts it."""
    issued = authority.issue("alice", usages=usages)
    report = run(daemon, write_credential(tmp_path, authority.pem, issued))
    assert severities(report) == all_but(credential="warning")
    assert report.result.exit_status == 1


def test_unusable_files_do_not_stop_the_other_checks(
    daemon: int, authority: Authority, client: Path, tmp_path: Path
) -> None:
    """Those that need no certificate run anyway."""
    other = write_credential(tmp_path / "other", authority.pem, authority.client())
    (client / "key.pem").unlink()
    (client / "key.pem").symlink_to(other / "key.pem")
    report = run(daemon, client)
    assert severities(report) == all_but(credential="error", version="skipped")
    assert "does not match" in words(report, "credential")
    (client / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n")
    (client / "cert.pem").unlink()
    report = run(daemon, client)
    assert severities(report) == all_but(credential="error", version="skipped", chain="skipped")
    assert "cert.pem does not exist" in words(report, "credential")


def test_check_without_a_credential_runs_what_it_can(
    daemon: int, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report lists the checks that were skipped.

    The forged certificate then names the CA of the daemon's list.
    """
    forged: list[Sequence[Name]] = []

    def spy(like: None, names: Sequence[Name], now: datetime) -> ClientCertificate:
        forged.append(names)
        return forge(like, names, now)

    monkeypatch.setattr(attempts, "forge", spy)
    report = run(daemon, None)
    assert forged == [(authority.certificate.subject,)]
    assert severities(report) == as_a_stranger()
    assert report.result.exit_status == 3
    assert "only the checks without a client certificate" in words(report, "credential")
    assert "only clients of CN=check root" in words(report, "trust")
    assert report.certificate is not None


@pytest.mark.parametrize("explicit", [False, True])
def test_trusting_public_cas_is_critical(
    authority: Authority, client: Path, tmp_path: Path, explicit: bool
) -> None:
    """Our root among a hundred public ones, from the machine or in tlscacert itself.

    Without tlscacert in its daemon.json, dockerd trusts whatever its machine trusts. It rejects
    every client that a check can be, but accepts any certificate of a public CA.
    """
    server = write_credential(tmp_path / "tls", authority.pem, authority.server())
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(Path(certifi.where()).read_bytes() + authority.pem)
    config = {
        "tlsverify": True,
        "tlscert": str(server / "cert.pem"),
        "tlskey": str(server / "key.pem"),
        **({"tlscacert": str(bundle)} if explicit else {}),
    }
    with dockerd(tmp_path, config=config, system_roots=bundle) as port:
        report = run(port, client)
        stranger = run(port, None)
    assert severities(report) == all_but(trust="critical")
    assert severities(stranger) == as_a_stranger(trust="critical")
    assert report.result.exit_status == 76
    assert ("clients of public CAs" if explicit else "names no CA") in words(report, "trust")


@pytest.mark.parametrize("public", [True, False])
def test_unreadable_ca_name_does_not_hide_a_public_ca(
    authority: Authority, client: Path, tmp_path: Path, public: bool
) -> None:
    """A public CA is still critical; without one, the name itself is a warning."""
    bundle = Path(certifi.where()).read_bytes() if public else b""
    old = in_t61(Authority.create("old root"))
    server = write_credential(tmp_path / "tls", bundle + authority.pem + old, authority.server())
    with dockerd(tmp_path, "--tlsverify", *tls(server)) as port:
        report = run(port, client)
    assert severities(report) == all_but(trust="critical" if public else "unknown")
    assert report.result.exit_status == (76 if public else 3)
    assert ("public CAs" if public else "cannot be read: 1") in words(report, "trust")


def test_all_cas_of_a_rotation_are_listed(
    authority: Authority, client: Path, tmp_path: Path
) -> None:
    """Two private CAs are fine during a rotation, and reported.

    One that is missing from ca.pem could be a public CA's intermediate, so the user must check.
    """
    bundle = authority.pem + Authority.create("next root").pem
    server = write_credential(tmp_path / "tls", bundle, authority.server())
    overlapping = write_credential(tmp_path / "both", bundle, authority.client())
    with dockerd(tmp_path, "--tlsverify", *tls(server)) as port:
        report = run(port, overlapping)
        behind = run(port, client)
    assert severities(report) == severities(behind) == all_but()
    both = "clients of CN=check root (ours), and of CN=next root"
    assert words(report, "trust") == both
    assert words(behind, "trust").strip() == f"{both} (not in our ca.pem)"


@pytest.mark.parametrize("renamed", [True, False])
def test_forgotten_restart_after_a_rotation_is_the_first_cause(
    tmp_path: Path, renamed: bool
) -> None:
    """The files on the daemon's host are new, but it still serves and trusts the old ones."""
    month_ago, week_ago = (datetime.now(UTC) - timedelta(days=days) for days in (30, 7))
    old = Authority.create("old root", not_before=month_ago)
    new = Authority.create("new root" if renamed else "old root", not_before=week_ago)
    served = old.issue(
        "localhost",
        dns=["localhost"],
        usages=[SERVER_AUTH],
        not_before=month_ago,
        lifetime=timedelta(days=90),
    )
    server = write_credential(tmp_path / "tls", old.pem, served)
    overlapping = write_credential(tmp_path / "both", old.pem + new.pem, new.client())
    with dockerd(tmp_path, "--tlsverify", *tls(server)) as port:
        report = run(port, overlapping)
        (tmp_path / "both" / "ca.pem").write_bytes(new.pem)
        afterwards = run(port, overlapping)
    assert severities(report) == all_but(version="error")
    assert severities(afterwards) == all_but(version="error", chain="error")
    assert remedy(report, "version").startswith("restart dockerd")
    assert "restart dockerd" in remedy(afterwards, "version")
    assert remedy(afterwards, "chain").partition("restart dockerd")[0] in {
        "",
        "if the CA was rotated, ",
    }


def test_forgotten_restart_after_a_renewal_is_a_warning(
    authority: Authority, client: Path, tmp_path: Path
) -> None:
    """The daemon still accepts us, but has not read the new certificate.

    It replaces advice that it makes unnecessary: here the missing name was already added.
    """
    server = tmp_path / "tls"
    install(server, authority, authority.server("127.0.0.1"))
    files = [server / name for name in ("ca.pem", "server-cert.pem", "server-key.pem")]
    (tmp_path / ".dockertls").touch()  # no directory of ours
    options = ("--tlscacert", "--tlscert", "--tlskey")
    tls_options = [f"{option}={file}" for option, file in zip(options, files, strict=True)]
    with dockerd(tmp_path, "--tlsverify", *tls_options) as port:
        assert severities(run(port, client, server=server)) == all_but(name="error")
        install(server, authority, authority.server())
        report = run(port, client, server=server)
        others = [run(port, client, server=directory) for directory in (tmp_path, tmp_path / "x")]
    assert severities(report) == all_but(name="error", validity="warning")
    assert remedy(report, "validity").startswith("restart dockerd on this host")
    assert remedy(report, "name").startswith("restart dockerd on this host")
    assert [severities(other) for other in others] == [all_but(name="error")] * 2
    with dockerd(tmp_path, "--tlsverify", *tls_options) as port:
        assert severities(run(port, client, server=server)) == all_but()


def install(directory: Path, authority: Authority, issued: Issued) -> None:
    """Install a server credential as `issue server` does."""
    material = store.Material(
        authority.pem,
        issued.certificate_pem,
        issued.key_pem,
        serial_text(issued.certificate),
        DUE,
    )
    place = SERVER.place(directory)
    store.install(place, material, SERVER, replace=False, now=datetime.now(UTC))


@pytest.mark.slow
def test_plaintext_is_critical(client: Path, tmp_path: Path) -> None:
    """Whoever reaches the port of a daemon without TLS is root; the rest is skipped."""
    with dockerd(tmp_path, "--tls=false") as port:
        report = run(port, client)
    assert severities(report) == {
        **dict.fromkeys(CHECKS, "skipped"),
        "credential": "ok",
        "port": "ok",
        "plaintext": "critical",
    }
    assert report.result.exit_status == 76
    assert "anyone who can reach the port is root" in words(report, "plaintext")


@pytest.mark.slow
def test_tls_without_client_verification_is_critical(
    authority: Authority, client: Path, tmp_path: Path
) -> None:
    """It accepts everyone, with a forged certificate or none, although it uses TLS."""
    credential = write_credential(tmp_path / "tls", authority.pem, authority.server())
    with dockerd(tmp_path, "--tlsverify=false", *tls(credential)) as port:
        report = run(port, client)
    assert severities(report) == all_but(
        no_certificate="critical", forged_certificate="critical", trust="critical"
    )
    assert report.result.exit_status == 76
    assert "tlsverify" in words(report, "no-certificate")


def test_expired_server_with_another_name_has_both_errors(
    authority: Authority, client: Path, tmp_path: Path
) -> None:
    """Neither hides that its chain is valid and that it accepts us."""
    issued = authority.issue(
        "docker.example.com",
        dns=["docker.example.com", "*.docker.example.com"],
        addresses=["192.0.2.1"],
        usages=[SERVER_AUTH],
        not_before=datetime.now(UTC) - timedelta(days=9),
        lifetime=WEEK,
    )
    credential = write_credential(tmp_path / "tls", authority.pem, issued)
    with dockerd(tmp_path, "--tlsverify", *tls(credential)) as port:
        report = run(port, client)
    assert severities(report) == all_but(name="error", validity="error")
    assert "expired 2d" in words(report, "validity")
    assert "connect to docker.example.com or 192.0.2.1, or issue" in words(report, "name")
    assert "--host localhost" in words(report, "name")


def test_chain_with_an_intermediate_and_both_usages(tmp_path: Path) -> None:
    """The chain is followed; a server certificate for both usages is a warning."""
    root = Authority.create("chain root", key_type=KeyType.RSA_2048)
    intermediate = root.intermediate()
    server = intermediate.issue(
        "localhost", dns=["localhost"], usages=[SERVER_AUTH, CLIENT_AUTH], lifetime=WEEK
    )
    credential = write_credential(tmp_path / "tls", root.pem, server)
    good = write_credential(tmp_path / "good", root.pem, intermediate.client())
    lacking = write_credential(
        tmp_path / "lacking", root.pem, dataclasses.replace(intermediate.client(), chain=())
    )
    with dockerd(tmp_path, "--tlsverify", *tls(credential)) as port:
        report = run(port, good)
        without_intermediate = run(port, lacking)
    assert severities(report) == all_but(usage="warning")
    assert "Docker root credential" in words(report, "usage")
    assert severities(without_intermediate) == all_but(version="error", usage="warning")
    assert "intermediate" in words(without_intermediate, "version")


def test_closed_port_is_unreachable(client: Path) -> None:
    """The other checks are skipped, except that of our credential."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    report = run(port, client)
    assert severities(report) == {
        **dict.fromkeys(CHECKS, "skipped"),
        "credential": "ok",
        "port": "unreachable",
    }
    assert report.result.exit_status == 69
    assert report.address is None
    assert words(report, "version") == "no connection"


def test_port_that_hangs_is_unreachable(client: Path) -> None:
    """There is one time limit for plaintext and one for TLS."""
    with servers.silent() as port:
        report = run(port, client, timeout=SHORT)
    assert report.result is Result.UNREACHABLE
    assert severities(report)["no-certificate"] == "unreachable"
    assert severities(report)["version"] == "skipped"


def test_plain_http_server_is_not_docker(client: Path) -> None:
    """A web server's answer in plaintext is not taken for a refusal."""
    with servers.http(404, b"<h1>Not Found</h1>") as port:
        report = run(port, client)
    assert severities(report)["plaintext"] == "error"
    assert severities(report)["no-certificate"] == "error"
    assert report.result is Result.ERROR


def test_tls_server_other_than_docker_is_never_ok(
    authority: Authority, client: Path, tmp_path: Path
) -> None:
    """Its answer does not matter."""
    credential = write_credential(tmp_path / "tls", authority.pem, authority.server())
    context = servers.server_context(credential)
    with servers.http(200, b"<h1>Welcome</h1>", context=context) as port:
        report = run(port, client)
    assert severities(report) == of_another(version="error")
    assert "not Docker" in words(report, "version")
    assert report.daemon is None


@pytest.mark.parametrize("named", [True, False])
def test_vault_port_is_not_checked_as_a_daemon(
    authority: Authority, client: Path, tmp_path: Path, named: bool
) -> None:
    """A mistyped port: Vault is in Go, too, requests certificates, and may name no CA.

    Faults of its certificate as a daemon's are not reported.
    """
    dual = authority.issue("vault", dns=["vault"], usages=[SERVER_AUTH, CLIENT_AUTH])
    with tls_openbao(tmp_path, authority.pem, dual, name_authority=named) as vault:
        report = run(vault.port, client)
        stranger = run(vault.port, None)
    assert severities(report) == of_another(version="error")
    assert severities(stranger) == of_another(credential="warning", version="skipped")
    assert report.result.exit_status == stranger.result.exit_status == 65
    assert words(report, "trust") == "the server is not Docker"
    assert report.certificate is not None
    assert report.certificate.common_name == "vault"


def test_proxy_whose_daemon_is_down_is_checked(
    authority: Authority, client: Path, tmp_path: Path
) -> None:
    """Its certificate is the daemon's as far as clients are concerned."""
    credential = write_credential(tmp_path / "tls", authority.pem, authority.server())
    context = servers.server_context(credential, verify=True)
    with servers.http(503, b"<h1>503 Service Unavailable</h1>", context=context) as port:
        report = run(port, client)
    assert severities(report) == all_but(version="error", trust="unknown")
    assert "its upstream does not: 503" in words(report, "version")


def test_tls_1_2_server_is_checked(authority: Authority, client: Path, tmp_path: Path) -> None:
    """It refuses within the handshake; with our certificate, its own is seen."""
    credential = write_credential(tmp_path / "tls", authority.pem, authority.server())
    context = servers.server_context(credential, verify=True)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    body = b'{"Version":"28.5.1","ApiVersion":"1.51"}'
    with servers.http(200, body, context=context) as port:
        assert severities(run(port, client)) == all_but(trust="unknown")
        assert severities(run(port, None)) == as_a_stranger(trust="unknown")


def test_refusal_by_an_authorization_plugin_is_not_one_by_tls(
    authority: Authority, client: Path, tmp_path: Path
) -> None:
    """TLS accepted us, a plugin of the daemon did not."""
    credential = write_credential(tmp_path / "tls", authority.pem, authority.server())
    body = b'{"message":"authorization denied by plugin opa: alice may not"}'
    context = servers.server_context(credential, verify=True)
    with servers.http(403, body, context=context) as port:
        report = run(port, client)
    assert severities(report) == all_but(version="error", trust="unknown")
    assert "authorization plugin" in words(report, "version")
    assert "alice may not" in words(report, "version")


@pytest.mark.parametrize("dropped", [{0, 1}, {0, 1, 2, 3}])
def test_server_that_requests_no_certificate_is_critical_despite_dropped_connections(
    authority: Authority, client: Path, tmp_path: Path, dropped: set[int]
) -> None:
    """A connection limit may drop both attempts without a certificate.

    We are accepted without being asked for a certificate, so everyone is.
    """
    credential = write_credential(tmp_path / "tls", authority.pem, authority.server())
    talk = servers.answering(servers.server_context(credential))
    with servers.talking(servers.dropping(talk, dropped)) as port:
        report = run(port, client)
    forged = "unknown" if 2 in dropped else "critical"
    assert severities(report) == all_but(
        no_certificate="unknown", forged_certificate=forged, trust="critical"
    )
    assert report.result.exit_status == 76
    assert "everyone: it requests no certificate" in words(report, "trust")


def test_server_with_an_unreadable_certificate_is_not_ok(
    authority: Authority, client: Path, tmp_path: Path
) -> None:
    """OpenSSL accepts a BIT STRING as name, and so may a client; the other checks run."""
    root = Authority.create("an odd root")
    credential = write_credential(tmp_path / "tls", authority.pem, root.server())
    key = private_key_pem(root.key)
    (credential / "cert.pem").write_bytes(in_t61(root, tag=BIT_STRING))
    (credential / "key.pem").chmod(0o600)
    (credential / "key.pem").write_bytes(key)
    talk = servers.answering(servers.server_context(credential, verify=True))
    with servers.talking(talk) as port:
        report = run(port, client)
    assert [severities(report)[name] for name in ("version", "chain")] == ["ok", "error"]
    assert "cannot be read" in words(report, "chain")
