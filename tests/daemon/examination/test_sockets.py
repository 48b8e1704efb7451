"""The TCP sockets of a dockerd, and what they answer to strangers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dockertls_vault.daemon.examination import sockets
from dockertls_vault.daemon.examination.checks import Check, combined, overall
from dockertls_vault.docker.diagnosis.checks import Check as Outside
from dockertls_vault.docker.diagnosis.report import Report, Result, worst


@pytest.mark.parametrize(
    ("hosts", "streams", "expected"),
    [
        (["unix:///x", "fd://"], ["/run/docker.sock", "@abstract"], []),
        (["tcp://0.0.0.0:2376", "npipe://x"], [], ["0.0.0.0:2376"]),
        (["fd://"], ["[::]:2376", "0.0.0.0:1"], ["[::]:2376", "0.0.0.0:1"]),
        (["tcp://[::1"], ["vsock:2:3"], []),
        (["tcp://a:1", "tcp://a:1"], ["a:1"], ["a:1"]),
    ],
)
def test_expected_sockets_are_those_of_the_settings_and_of_systemd(
    hosts: list[str], streams: list[str], expected: list[str]
) -> None:
    """A malformed one is not expected: dockerd does not start with it."""
    assert [str(each) for each in sockets.expected_tcp(hosts, streams)] == expected


@pytest.mark.parametrize(
    ("hosts", "streams", "expected"),
    [
        (["unix://"], [], ["/var/run/docker.sock"]),
        (["unix:///x"], ["[::]:2376"], ["/x"]),
        (["fd://"], ["/run/docker.sock", "[::]:2376"], ["/run/docker.sock"]),
        (["fd://"], [], ["/var/run/docker.sock"]),
        (["fd://", "unix:///x"], ["/x", "/y"], ["/x", "/y"]),
        (["tcp://[::1]:1"], ["@abstract"], []),
    ],
)
def test_unix_sockets_are_those_of_the_settings_and_of_systemd(
    hosts: list[str], streams: list[str], expected: list[str]
) -> None:
    """For ``unix://``, and ``fd://`` without a socket of systemd, it is the default one."""
    assert list(map(str, sockets.expected_unix(hosts, streams))) == expected


def report(**results: str) -> Report:
    """Return a report of a check from outside that is ok but for these."""
    checks = tuple(
        each.found(
            Result(results.get(each.name.lower(), "ok")), f"found {each.identifier}", "why", "do"
        )
        for each in Outside
    )
    return Report("tcp://a:1", None, worst(checks), checks, None, None)


def outside(**reports: Report) -> dict[str, str]:
    """Return the results of the checks from outside."""
    return {found.check: found.result.value for found in sockets.judge_outside(reports)}


OK = dict.fromkeys(("plaintext", "strangers", "trust", "validity"), "ok")


@pytest.mark.parametrize(
    ("reports", "changes"),
    [
        ({}, {}),
        ({"a": report()}, {}),
        ({"a": report(), "b": report(plaintext="critical")}, {"plaintext": "critical"}),
        ({"a": report(no_certificate="critical")}, {"strangers": "critical"}),
        ({"a": report(forged_certificate="unknown")}, {"strangers": "unknown"}),
        (
            {"a": report(trust="critical", validity="error")},
            {"trust": "critical", "validity": "error"},
        ),
        ({"a": report(port="unreachable")}, dict.fromkeys(OK, "unreachable")),
    ],
)
def test_worst_socket_decides(reports: dict[str, Report], changes: dict[str, str]) -> None:
    """For each of the checks."""
    assert outside(**reports) == {**OK, **changes}


def test_socket_of_a_swarm_is_not_one_of_the_api() -> None:
    """Unless it lets strangers in, only an expected one is."""
    assert sockets.serves_api(report(plaintext="error"), is_expected=True)
    assert not sockets.serves_api(report(plaintext="error"), is_expected=False)
    assert sockets.serves_api(report(plaintext="critical"), is_expected=False)
    assert sockets.usage_on_the_wire(report(usage="warning")).result == "warning"


@pytest.mark.parametrize(
    ("arguments", "result", "words"),
    [
        ((["a:1"], ["a:1"], []), "ok", "of the API: a:1"),
        (([], [], ["b:2"]), "ok", "of the API: none\nothers: b:2"),
        ((None, ["a:1"], []), "skipped", "by its settings: a:1"),
        ((None, [], []), "skipped", "by its settings: none"),
    ],
)
def test_only_root_sees_the_sockets(arguments: Any, result: str, words: str) -> None:
    """Others are told what the settings show."""
    found = sockets.judge_sockets(*arguments)
    assert found.result == result
    assert words in found.summary


@pytest.mark.parametrize(
    ("without_tls", "words"),
    [
        (Path("/d.json"), "/d.json does not configure TLS any more"),
        (None, "systemctl restart docker"),
    ],
)
def test_closed_socket_of_a_set_up_is_an_error(without_tls: Path | None, words: str) -> None:
    """With what closed it, if that is known, beside the sockets that are open."""
    listed = sockets.judge_sockets([], [], ["b:2"])
    found = sockets.judge_closed("docker-tls.socket", listed, without_tls, "set it up")
    assert found.result == "error"
    assert found.summary.startswith("docker-tls.socket is set up, but closed\nof the API: none")
    assert words in f"{found.reason} {found.remedy}"
    assert (found.remedy == "set it up") == (without_tls is not None)


def test_process_at_the_port_of_a_closed_socket_is_to_be_found() -> None:
    """A restart of dockerd alone cannot open it."""
    listed = sockets.judge_sockets([], [], [])
    found = sockets.judge_closed("docker-tls.socket", listed, None, "set it up", taken=[2376])
    assert found.reason == "port 2376 is in use; `ss -ltnp sport = :2376` says by what"
    assert f"{found.remedy}".startswith("stop that process, then restart dockerd")


@pytest.mark.parametrize(
    ("is_held", "words", "remedy"),
    [
        (True, "dockerd listens at it until it is restarted", "set it up"),
        (False, "if `daemon restart` has found that dockerd lets anyone in", "in that case, first"),
    ],
)
def test_socket_whose_drop_in_is_missing_is_an_error(
    is_held: bool, words: str, remedy: str
) -> None:
    """A dockerd that has been restarted since listens there no more, and may have let anyone in."""
    listed = sockets.judge_sockets([], [], [])
    found = sockets.judge_without_drop_in("docker-tls.socket", listed, "set it up", is_held=is_held)
    assert found.summary.startswith("docker-tls.socket is set up, but closed\n")
    assert f"{found.reason}".startswith("the drop-in for docker.service is missing")
    assert words in f"{found.reason}"
    assert f"{found.remedy}".startswith(remedy)
    assert f"{found.remedy}".endswith("set it up")


def test_socket_without_a_check_for_tls_is_an_error() -> None:
    """Beside the sockets that are open; the set-up restores it, or says what is in its way."""
    listed = sockets.judge_sockets(["a:1"], [], [])
    found = sockets.judge_unguarded("docker-tls.socket", listed, "set it up")
    assert (found.result, found.remedy) == ("error", "set it up")
    assert found.summary.startswith("docker-tls.socket is opened without a check for TLS\nof the")


def test_check_left_out_makes_the_whole_unknown() -> None:
    """Unless it needs Vault, which not every host has, or variables that sudo drops."""
    fine = Check.KEYS.found(Result.OK, "fine")
    assert overall([fine, Check.CLOCK.skipped("no Vault is set")]) is Result.OK
    assert overall([fine, Check.ENVIRONMENT.skipped("use sudo -E")]) is Result.OK
    assert overall([fine, Check.API.skipped("needs root")]) is Result.UNKNOWN
    assert overall([fine, Check.CLOCK.found(Result.ERROR, "late")]) is Result.ERROR


def test_foreign_text_stays_in_its_line() -> None:
    """A newline in a name or an answer is escaped; those between the parts stay."""
    part = Outside.TRUST.found(Result.ERROR, "one\ntwo", "why\nok", "do\nok")
    found = combined(Check.TRUST, [("a", part), ("c", Outside.TRUST.skipped("not run"))])
    assert found.summary.split("\n") == ["a: one", "two", "c: not run"]
    assert found.reason == r"why\nok"
    assert found.remedy == r"do\nok"
    assert Check.KEYS.found(Result.OK, "a\nb").summary == r"a\nb"
    assert combined(Check.USAGE, []).result is Result.OK
