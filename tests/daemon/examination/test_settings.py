"""Which settings of a dockerd are in force, and which of them are faults."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from dockertls_vault.daemon.examination import settings, sockets
from dockertls_vault.docker import flags

if TYPE_CHECKING:
    from dockertls_vault.docker.diagnosis.report import CheckResult

PATHS = {"tlscacert": "/tls/ca.pem", "tlscert": "/tls/cert.pem", "tlskey": "/tls/key.pem"}
SAFE: dict[str, Any] = {"tlsverify": True, **PATHS}


def name(text: str) -> x509.Name:
    """Return a CA's name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def in_force(
    arguments: str = "", environ: dict[str, str] | None = None, **values: Any
) -> settings.Settings:
    """Return what is in force with these arguments, and values of daemon.json."""
    given = {key.replace("_", "-"): value for key, value in values.items()}
    return settings.in_force(flags.parse(arguments.split()), given, environ or {})


@pytest.mark.parametrize(
    ("found", "tls", "verify", "ca"),
    [
        (in_force(), False, False, None),
        (in_force(**SAFE), True, True, "/tls/ca.pem"),
        (in_force("--tlsverify"), True, True, "/root/.docker/ca.pem"),
        (in_force("--tlsverify --tlscacert=/x"), True, True, "/x"),
        (in_force("--tls"), True, False, "/root/.docker/ca.pem"),
        (in_force("--tlsverify=false"), True, False, "/root/.docker/ca.pem"),
        (in_force(tlsverify=True), True, True, None),
        (in_force(tlsverify=False), True, False, None),
        (in_force(tlsverify=True, tlscacert=""), True, True, None),
        (in_force(tls=True), True, False, None),
        (in_force("--tls", tlsverify=True), True, True, "/root/.docker/ca.pem"),
        (in_force(environ={"DOCKER_TLS_VERIFY": "0"}), True, True, "/root/.docker/ca.pem"),
        (in_force(environ={"DOCKER_TLS_VERIFY": ""}), False, False, None),
        (in_force("--tls", {"DOCKER_CERT_PATH": "/c"}), True, False, "/c/ca.pem"),
        (in_force("--tls", {"HOME": "/home/a"}), True, False, "/home/a/.docker/ca.pem"),
    ],
)
def test_settings_in_force_are_those_of_dockerd(
    found: settings.Settings, tls: bool, verify: bool, ca: str | None
) -> None:
    """Paths have defaults only if TLS is turned on outside of daemon.json."""
    path = None if found.tlscacert is None else str(found.tlscacert)
    assert (found.tls, found.tlsverify, path) == (tls, verify, ca)


def test_hosts_and_live_restore_come_from_both_places() -> None:
    """Both count; what is not a list of hosts does not."""
    found = in_force("-H fd:// --live-restore", hosts=["tcp://[::1]:1"], live_restore=False)
    assert found.hosts == ("fd://", "tcp://[::1]:1")
    assert not found.live_restore
    assert in_force("--live-restore").live_restore
    assert in_force(hosts="tcp://x").hosts == ("unix:///var/run/docker.sock",)


def test_without_hosts_there_is_a_unix_socket_or_with_tls_a_port() -> None:
    """One of the two, however TLS is turned on."""
    port = ("tcp://127.0.0.1:2376",)
    for found in (in_force("--tls"), in_force(**SAFE), in_force(tlsverify=False)):
        assert found.hosts == port


TEXT = st.text(st.characters(), max_size=3) | st.just("tcp://[::1")
JSON = st.none() | st.booleans() | st.integers() | TEXT | st.lists(TEXT | st.none(), max_size=2)
KEYS = ["hosts", "tls", "tlsverify", "tlscacert", "tlscert", "tlskey", "live-restore"]


@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_any_values_give_settings_that_the_system_can_use(values: dict[str, Any]) -> None:
    """Also of a file that dockerd would reject, or that somebody made to break us."""
    found = settings.in_force(flags.Flags(), values, {})
    for text in (found.tlscacert, found.tlscert, found.tlskey, *found.hosts):
        assert text is None or b"\0" not in os.fsencode(text)
    assert settings.judge_clash(flags.Flags(), values, PurePath("/d.json")).result == "ok"
    sockets.expected_tcp(found.hosts, found.hosts)
    sockets.expected_unix(found.hosts, found.hosts)


def test_relative_paths_are_those_of_the_service() -> None:
    """The root directory is that of a service of systemd."""
    assert str(in_force(tlsverify=True, tlscacert="tls/ca.pem").tlscacert) == "/tls/ca.pem"
    for impossible in ("a\0b", "\ud800", 7):
        assert in_force(tlsverify=True, tlscacert=impossible).tlscacert is None


OURS, PUBLIC = name("ours"), name("public")


def client_ca(
    found: settings.Settings,
    named: list[x509.Name] | str = "needs root: /tls/ca.pem",
    *,
    on_tcp: bool | None = True,
) -> CheckResult:
    """Judge whose clients are allowed."""
    return settings.judge_client_ca(found, named, {PUBLIC}, on_tcp=on_tcp)


@pytest.mark.parametrize(
    ("judged", "result", "words"),
    [
        (client_ca(in_force(**SAFE), [OURS]), "ok", "only clients of CN=ours (/tls/ca.pem)"),
        (client_ca(in_force(**SAFE), [OURS, PUBLIC]), "critical", "holds public CAs: CN=public"),
        (client_ca(in_force(**SAFE)), "skipped", "needs root"),
        (client_ca(in_force(tlsverify=True), []), "critical", "tlsverify without tlscacert"),
        (client_ca(in_force(tlsverify=True), [], on_tcp=None), "critical", "without tlscacert"),
        (client_ca(in_force(tlsverify=True), [], on_tcp=False), "warning", "without tlscacert"),
        (client_ca(in_force(tlsverify=False), []), "critical", "TLS without tlsverify"),
        (client_ca(in_force(), []), "critical", "no TLS at all"),
        (client_ca(in_force(), [], on_tcp=False), "ok", "no TLS, and no TCP socket"),
        (client_ca(in_force(), [], on_tcp=None), "ok", "no TLS"),
    ],
)
def test_settings_that_let_strangers_in_are_critical(
    judged: CheckResult, result: str, words: str
) -> None:
    """They are a warning as long as there is no TCP socket."""
    assert judged.result == result
    assert words in judged.summary
    assert bool(judged.remedy) == (result in {"critical", "warning"})


@pytest.mark.parametrize(
    ("arguments", "values", "both"),
    [
        ("-H fd://", {"hosts": ["tcp://[::]:2376"]}, "hosts"),
        ("--tlsverify --tlscacert=/x", SAFE, "tlsverify, tlscacert"),
        (
            "--data-root=/d --live-restore",
            {"data-root": "/d", "live-restore": True},
            ": live-restore, data-root",
        ),
        ("--debug --label a=b", {"debug": True, "labels": ["c=d"]}, "debug, labels"),
        ("-l warn", {"anything": {"log-level": "warn"}}, "log-level"),
        ("-D --log-opt a=b", {"log-opts": {"debug": "a"}}, ": log-opts"),
        ("--debug", {"features": {"debug": True}}, None),
        ("--add-runtime a=/b", {"runtimes": {"c": {"path": "/d"}}}, None),
        ("-H fd://", SAFE, None),
        ("", {"hosts": []}, None),
    ],
)
def test_setting_in_two_places_is_an_error(
    arguments: str, values: dict[str, Any], both: str | None
) -> None:
    """With it, dockerd does not start again."""
    judged = settings.judge_clash(flags.parse(arguments.split()), values, PurePath("/d.json"))
    assert judged.result == ("ok" if both is None else "error")
    assert both is None or judged.summary.endswith(both)
    assert ("remove hosts" in (judged.remedy or "")) == (both == "hosts")


@pytest.mark.parametrize(
    ("values", "is_configured"),
    [
        (SAFE, True),
        ({**SAFE, "tlsverify": False}, False),
        ({**SAFE, "tlscacert": ""}, False),
        ({}, False),
    ],
)
def test_both_settings_that_keep_strangers_out_are_needed(
    values: dict[str, Any], is_configured: bool
) -> None:
    """As the check before each start of dockerd has it."""
    assert settings.configures_tls(values) == is_configured


def pending(**changes: Any) -> CheckResult:
    """Judge a configuration that has not changed, except for these."""
    usual: dict[str, Any] = {
        "process": flags.parse(["-H", "fd://"]),
        "unit": flags.parse(["-H", "fd://"]),
        "values": SAFE,
        "is_newer": False,
        "is_unit_stale": False,
        "file": PurePath("/d.json"),
    }
    return settings.judge_pending(**{**usual, **changes})


@pytest.mark.parametrize(
    ("judged", "words"),
    [
        (pending(), None),
        (pending(unit=None), None),
        (pending(is_newer=True, values={"live-restore": True, "debug": True}), None),
        (pending(is_newer=True), "has tlscacert, tlscert, tlskey, tlsverify"),
        (pending(unit=flags.parse(["--tls"])), "other flags"),
        (pending(is_unit_stale=True), "has not read the unit files again"),
    ],
)
def test_change_that_waits_for_a_restart_is_a_warning(
    judged: CheckResult, words: str | None
) -> None:
    """One that a reload applies does not."""
    assert judged.result == ("ok" if words is None else "warning")
    assert words is None or words in judged.summary


def test_restart_is_that_of_the_host() -> None:
    """Without systemd, there is no systemctl."""
    assert pending(unit=None, is_newer=True).remedy == "restart dockerd"
    assert "systemctl restart docker" in (pending(is_newer=True).remedy or "")
    off = settings.judge_live_restore({}, (), assumed=False, by_systemd=False)
    assert (off.remedy or "").endswith("send SIGHUP to dockerd")


SWARM = {"Swarm": {"LocalNodeState": "active"}, "LiveRestoreEnabled": False}
ROOTLESS = {"SecurityOptions": ["name=seccomp", "name=rootless"], "LiveRestoreEnabled": True}


@pytest.mark.parametrize(
    ("info", "assumed", "result", "words"),
    [
        ({"LiveRestoreEnabled": True}, False, "ok", "live-restore is on"),
        ({"LiveRestoreEnabled": False}, True, "warning", "live-restore is off"),
        (SWARM, None, "ok", "swarm"),
        (ROOTLESS, None, "ok", "rootless"),
        ({"SecurityOptions": 1}, False, "warning", "by its settings"),
        ({"Swarm": {"LocalNodeState": "inactive"}}, True, "ok", "by its settings"),
        ({"Swarm": 1, "LiveRestoreEnabled": 1}, False, "warning", "by its settings"),
        ("no answer", True, "ok", "by its settings"),
        ("no answer", None, "skipped", "no answer"),
    ],
)
def test_live_restore_off_is_a_warning(
    info: dict[str, Any] | str, assumed: bool | None, result: str, words: str
) -> None:
    """Unless the daemon cannot have it: as part of a swarm, or rootless."""
    judged = settings.judge_live_restore(info, (), assumed=assumed, by_systemd=True)
    assert judged.result == result
    assert words in judged.summary


@pytest.mark.parametrize(
    ("info", "result", "is_named"),
    [
        ({"LiveRestoreEnabled": True}, "warning", True),
        ({"LiveRestoreEnabled": False}, "warning", False),
        (SWARM, "ok", False),
    ],
)
def test_containers_that_live_restore_does_not_keep_are_named(
    info: dict[str, Any], result: str, is_named: bool
) -> None:
    """Without it, all of them stop."""
    judged = settings.judge_live_restore(info, ("db", "web"), assumed=None, by_systemd=True)
    assert judged.result == result
    assert ("does not keep db, web: started with --rm" in judged.summary) == is_named
