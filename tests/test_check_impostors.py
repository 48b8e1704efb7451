"""No impostor gets status 0, whichever of its connections it interferes with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL

from dockertls_vault.certificate.keys import private_key_pem
from dockertls_vault.check import check
from dockertls_vault.credential.reader import CredentialFiles
from dockertls_vault.docker.diagnosis.report import Result
from dockertls_vault.docker.endpoint import Endpoint

from .certificates import BIT_STRING, Authority, in_t61, write_credential
from .docker import impostors, servers

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dockertls_vault.docker.diagnosis.report import Report

LONG = timedelta(seconds=30)
ROOT = Authority.create("the root")
NAMESAKE = Authority.create("the root")
# First the connection without a certificate, then the forged one, then ours.
ATTEMPTS = (0, 1, 2)
FAULTS = (
    "alert 40",
    "alert 42",
    "alert 116",
    "end",
    "reset",
    "HTTP",
    "not TLS",
    "a namesake's certificate",
    "a certificate that cannot be read",
    "TLS 1.2 and a namesake's certificate",
)


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return credentials: the genuine daemon's, a namesake's, an odd one and a client's."""
    directory = tmp_path_factory.mktemp("impostors")
    odd = write_credential(directory / "odd", ROOT.pem, NAMESAKE.server())
    (odd / "cert.pem").write_bytes(in_t61(NAMESAKE, tag=BIT_STRING))
    (odd / "key.pem").chmod(0o600)
    (odd / "key.pem").write_bytes(private_key_pem(NAMESAKE.key))
    return {
        "genuine": write_credential(directory / "genuine", ROOT.pem, ROOT.server()),
        "namesake": write_credential(directory / "namesake", ROOT.pem, NAMESAKE.server()),
        "odd": odd,
        "client": write_credential(directory / "client", ROOT.pem, ROOT.client()),
    }


@pytest.fixture
def genuine(credentials: dict[str, Path]) -> Iterator[int]:
    """Run a correctly configured daemon; yield its port."""
    talk = impostors.daemon(credentials["genuine"])
    with servers.talking(impostors.by_number(talk, {})) as port:
        yield port


def run(credentials: dict[str, Path], talk: Callable[[socket.socket], None]) -> Report:
    """Check a server that behaves like this."""
    names = ("ca.pem", "cert.pem", "key.pem")
    files = CredentialFiles(*(credentials["client"] / name for name in names))
    with servers.talking(talk) as port:
        return check(Endpoint("localhost", port), files, timeout=LONG, now=datetime.now(UTC))


def misbehave(fault: str, credentials: dict[str, Path]) -> Callable[[socket.socket], None]:
    """Return the handler that interferes like this."""
    if fault.startswith("alert "):
        return impostors.alerting(int(fault.removeprefix("alert ")))
    return {
        "end": impostors.saying(b""),
        "reset": impostors.reset,
        "HTTP": impostors.saying(impostors.VERSION),
        "not TLS": impostors.saying(b"SSH-2.0-OpenSSH_9.2p1\r\n"),
        "a namesake's certificate": impostors.daemon(credentials["namesake"]),
        "a certificate that cannot be read": impostors.daemon(credentials["odd"]),
        "TLS 1.2 and a namesake's certificate": impostors.daemon(
            credentials["namesake"], maximum=SSL.TLS1_2_VERSION
        ),
    }[fault]


def result(report: Report, name: str) -> Result:
    """Return the result of a check."""
    return next(result.result for result in report.checks if result.check == name)


@pytest.mark.parametrize("maximum", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_genuine_daemon_is_ok(maximum: int, credentials: dict[str, Path]) -> None:
    """In both versions of TLS; otherwise the tests below would prove nothing."""
    talk = impostors.daemon(credentials["genuine"], maximum=maximum)
    report = run(credentials, impostors.by_number(talk, {}))
    assert {result.result for result in report.checks} == {Result.OK}
    assert report.result.exit_status == 0


def test_proxy_that_forwards_everything_is_ok(genuine: int, credentials: dict[str, Path]) -> None:
    """What it forwards is what gets checked."""
    report = run(credentials, impostors.by_number(impostors.passing(genuine), {}))
    assert report.result is Result.OK


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("fault", FAULTS)
def test_impostor_with_a_ca_of_the_same_name_is_never_ok(
    fault: str, number: int, credentials: dict[str, Path]
) -> None:
    """Its chain is never reported as leading to our root."""
    usual = impostors.daemon(credentials["namesake"])
    other = misbehave(fault, credentials)
    for numbers in ({number}, set(range(number, 12))):
        report = run(credentials, impostors.by_number(usual, dict.fromkeys(numbers, other)))
        assert report.result.exit_status != 0
        assert result(report, "chain") is not Result.OK


@pytest.mark.parametrize("number", ATTEMPTS)
@pytest.mark.parametrize("fault", FAULTS)
def test_proxy_that_answers_from_some_connection_on_is_never_ok(
    fault: str, number: int, genuine: int, credentials: dict[str, Path]
) -> None:
    """What it hides that way is not taken as shown."""
    other = dict.fromkeys(range(number, 12), misbehave(fault, credentials))
    report = run(credentials, impostors.by_number(impostors.passing(genuine), other))
    assert report.result.exit_status != 0


@pytest.mark.parametrize("numbers", [(0,), (1,), (2,), (0, 1), (1, 2)])
def test_proxy_that_answers_only_the_first_connections_is_reported(
    numbers: tuple[int, ...], genuine: int, credentials: dict[str, Path]
) -> None:
    """The retries all reached the daemon, and the report names who answered before."""
    other = dict.fromkeys(numbers, impostors.daemon(credentials["namesake"]))
    report = run(credentials, impostors.by_number(impostors.passing(genuine), other))
    assert report.result is Result.WARNING
    chain = next(result for result in report.checks if result.check == "chain")
    assert "but on another connection the server's chain was not trusted" in chain.summary


def test_restart_with_another_certificate_of_the_same_ca_is_ok(
    genuine: int, credentials: dict[str, Path], tmp_path: Path
) -> None:
    """Both certificates are of our CA."""
    before = impostors.daemon(write_credential(tmp_path, ROOT.pem, ROOT.server()))
    talk = impostors.by_number(impostors.passing(genuine), {0: before, 1: before})
    assert run(credentials, talk).result is Result.OK


def test_daemons_behind_a_load_balancer_are_unknown(
    genuine: int, credentials: dict[str, Path], tmp_path: Path
) -> None:
    """Two of our CA that answer in turn are inconclusive, and the remedy is to check each alone."""
    other = impostors.daemon(write_credential(tmp_path, ROOT.pem, ROOT.server()))
    talk = impostors.by_number(impostors.passing(genuine), dict.fromkeys((1, 3, 5), other))
    report = run(credentials, talk)
    assert report.result.exit_status == 3
    inconclusive = [result for result in report.checks if result.result is not Result.OK]
    assert {result.result for result in inconclusive} == {Result.UNKNOWN}
    for result in inconclusive:
        assert "several servers share this address behind a load balancer" in str(result.reason)
        assert result.remedy == "check each server by its own address"


@pytest.mark.parametrize("first", ["namesake", "genuine"])
def test_changing_certificates_are_not_ok(
    first: str, genuine: int, credentials: dict[str, Path]
) -> None:
    """One server's refusal proves nothing about another."""
    ways = [impostors.daemon(credentials["namesake"]), impostors.passing(genuine)]
    usual, other = ways if first == "genuine" else reversed(ways)
    talk = impostors.by_number(usual, dict.fromkeys((0, 1, 3, 4), other))
    report = run(credentials, talk)
    assert report.result.exit_status != 0
    results = {result.check: result for result in report.checks}
    if first == "namesake":
        assert results["chain"].result is Result.WARNING
        assert results["no-certificate"].result is Result.UNKNOWN
        assert "a different certificate" in results["forged-certificate"].summary


@pytest.mark.parametrize("after", [b"", b"\x15\x03\x03\x00\x02\x02\x28", b"\x00" * 99])
@pytest.mark.parametrize("number", ATTEMPTS)
def test_replayed_certificate_proves_nothing(
    number: int, after: bytes, credentials: dict[str, Path]
) -> None:
    """Anybody can send it; only its key would prove something."""
    old = impostors.daemon(credentials["genuine"], maximum=SSL.TLS1_2_VERSION)
    with servers.talking(old) as port:
        replay = impostors.replaying(port, after)
        usual = impostors.daemon(credentials["namesake"])
        others = dict.fromkeys(range(number, 12), replay)
        report = run(credentials, impostors.by_number(usual, others))
    assert report.result.exit_status != 0
