"""Who connects to a daemon, and whether anybody still needs another CA than Vault's."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from dockertls_vault import clients
from dockertls_vault.cli import main
from dockertls_vault.cli.daemon_clients import ca
from dockertls_vault.clients import (
    AcceptedCA,
    Clients,
    Origin,
    Rejected,
    Verdict,
    ambiguous,
    find,
    judge,
    summarize,
)
from dockertls_vault.credential.registry import Registry
from dockertls_vault.daemon import old_keys, runs
from dockertls_vault.daemon.old_keys import OldKeys
from dockertls_vault.daemon.runs import Counted
from dockertls_vault.docker.handshake import probe
from dockertls_vault.docker.handshake.outcome import Greeting
from dockertls_vault.docker.rejections import Reason
from dockertls_vault.host import identity, journal
from dockertls_vault.host.journal import Log, Runs

from .certificates import Authority, write_credential
from .credentials import CLIENT, SERVER, install
from .daemon.test_pickup import SET_UP, write

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.x509 import Certificate

    from .harness.dockerd import StartDockerd

START = datetime(2026, 11, 27, tzinfo=UTC)
VAULT = AcceptedCA("CN=docker root", Origin.VAULT, until=None)
OLD = AcceptedCA("CN=old", Origin.OTHER, until=None)
UNCLEAR = replace(VAULT, origin=Origin.AMBIGUOUS)
LOG = Log(START, (), 0, has_start=True)
WHOLE, PRESENT = Counted(Runs("3", "1")), Counted(Runs("3"))
STRANGER = Rejected("10.0.0.5", False, Reason.NO_CERTIFICATE, 1, START)


@pytest.mark.parametrize(
    ("accepts", "log", "rejected", "verdict"),
    [
        ((VAULT,), LOG, (), Verdict.NOBODY),
        ((VAULT, replace(VAULT, subject="CN=next")), LOG, (), Verdict.NOBODY),
        ((VAULT,), LOG, (replace(STRANGER, is_this_host=True),), Verdict.NOBODY),
        ((VAULT,), LOG, (replace(STRANGER, reason=Reason.OTHER),), Verdict.NOBODY),
        ((VAULT,), LOG, (replace(STRANGER, reason=Reason.INVALID),), Verdict.NOBODY),
        ((VAULT,), LOG, (STRANGER,), Verdict.REJECTED),
        ((VAULT,), LOG, (replace(STRANGER, reason=Reason.UNKNOWN_CA),), Verdict.REJECTED),
        ((VAULT,), LOG, (replace(STRANGER, reason=Reason.SERVER_REJECTED),), Verdict.REJECTED),
        ((VAULT,), replace(LOG, suppressed=1), (), Verdict.UNKNOWN),
        ((VAULT,), replace(LOG, suppressed=1), (STRANGER,), Verdict.REJECTED),
        ((VAULT,), replace(LOG, is_flooded=True), (), Verdict.UNKNOWN),
        ((VAULT,), replace(LOG, is_flooded=True), (STRANGER,), Verdict.REJECTED),
        ((VAULT,), replace(LOG, is_set_back=True), (), Verdict.UNKNOWN),
        ((VAULT,), replace(LOG, is_set_back=True), (STRANGER,), Verdict.REJECTED),
        ((VAULT,), replace(LOG, has_start=False), (), Verdict.UNKNOWN),
        ((VAULT,), replace(LOG, has_start=False), (STRANGER,), Verdict.REJECTED),
        ((VAULT,), None, None, Verdict.UNKNOWN),
        ((VAULT, OLD), LOG, (), Verdict.ACCEPTED),
        ((VAULT, UNCLEAR), LOG, (), Verdict.ACCEPTED),
        ((UNCLEAR,), LOG, (), Verdict.UNKNOWN),
        ((VAULT, OLD), LOG, (STRANGER,), Verdict.ACCEPTED),
        ((replace(VAULT, until=START),), LOG, (), Verdict.ACCEPTED),
        ((OLD,), LOG, (), Verdict.UNKNOWN),
        ((), LOG, (), Verdict.UNKNOWN),
        (None, LOG, (), Verdict.UNKNOWN),
    ],
)
def test_nobody_is_said_only_if_it_is_proven(
    accepts: tuple[AcceptedCA, ...] | None,
    log: Log | None,
    rejected: tuple[Rejected, ...] | None,
    verdict: Verdict,
) -> None:
    """While the daemon accepts another CA, nothing is known of who uses it."""
    assert judge(accepts, log, rejected, PRESENT, shows_us=True) is verdict


@pytest.mark.parametrize("rejected", [(), (STRANGER,)])
def test_log_of_another_daemon_proves_nothing(rejected: tuple[Rejected, ...]) -> None:
    """Whoever it rejected may have no business with the program at this port."""
    assert judge((VAULT,), LOG, rejected, PRESENT, shows_us=False) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("rejected", "verdict"), [((), Verdict.UNKNOWN), ((STRANGER,), Verdict.REJECTED)]
)
def test_nobody_is_not_said_if_more_runs_may_count(
    rejected: tuple[Rejected, ...], verdict: Verdict
) -> None:
    """Root may read which, and must not get another answer than a user who may not."""
    counted = replace(PRESENT, unread="needs root")
    assert judge((VAULT,), LOG, rejected, counted, shows_us=True) is verdict


def test_rejections_are_counted_by_address_and_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the time of the last one; `docker` tries several times."""
    monkeypatch.setattr(identity, "_interfaces", lambda: [("eth0", ip_address("10.0.0.4"))])
    prefix = "http: TLS handshake error from "
    lines = [
        f"{prefix}10.0.0.5:1: tls: client didn't provide a certificate\n",
        f"{prefix}10.0.0.5:2: tls: client didn't provide a certificate\n",
        "Daemon has completed initialization",
        f"{prefix}10.0.0.5:3: EOF\n",
        f"{prefix}10.0.0.4:4: remote error: tls: bad certificate\n",
        f"{prefix}127.0.0.2:5: tls: client didn't provide a certificate\n",
    ]
    times = [START + timedelta(seconds=number) for number, _ in enumerate(lines)]
    log = replace(LOG, messages=tuple(zip(times, lines, strict=True)))
    assert summarize(log) == (
        Rejected("10.0.0.4", True, Reason.SERVER_REJECTED, 1, times[4]),
        Rejected("10.0.0.5", False, Reason.NO_CERTIFICATE, 2, times[1]),
        Rejected("10.0.0.5", False, Reason.OTHER, 1, times[3]),
        Rejected("127.0.0.2", True, Reason.NO_CERTIFICATE, 1, times[5]),
    )


@dataclass
class Journal:
    """Stands in for systemd and its journal: the log, and of which runs it is."""

    log: Log = LOG
    counted: Counted = WHOLE


@pytest.fixture(name="journals")
def replaced_journal(monkeypatch: pytest.MonkeyPatch) -> Journal:
    """Return the journal of a host that was set up."""
    made = Journal()
    monkeypatch.setattr(runs, "find", lambda _: made.counted)
    monkeypatch.setattr(journal, "read", lambda *_: made.log)
    return made


@pytest.mark.parametrize(
    ("log", "counted", "words"),
    [
        (LOG, WHOLE, []),
        (LOG, PRESENT, ["it is not known which CAs dockerd accepted then"]),
        (
            LOG,
            replace(PRESENT, unread="needs root: /x"),
            ["dockerd accepted then (needs root: /x)"],
        ),
        (replace(LOG, has_start=False), WHOLE, ["to dockerd's first start with these CAs"]),
        (replace(LOG, has_start=False), PRESENT, ["does not reach back to dockerd's start"]),
        (replace(LOG, is_set_back=True), WHOLE, ["the clock of this host was set back"]),
        (replace(LOG, suppressed=7), WHOLE, ["journald suppressed 7 lines of docker.service"]),
        (replace(LOG, is_flooded=True), WHOLE, ["docker.service logged 10,000 lines within 30"]),
    ],
)
def test_what_the_log_does_not_tell_is_unknown(
    log: Log, counted: Counted, words: list[str], journals: Journal, tmp_path: Path
) -> None:
    """With the reason."""
    journals.log, journals.counted = log, counted
    found = find(1, [], tmp_path, timedelta(seconds=30), START)
    assert found.logged_since == START
    assert len(found.unknown) == 2 + len(words)  # it is asked at a port at which nothing listens
    assert all(word in text for word, text in zip(words, found.unknown[2:], strict=True))


OURS = "http: TLS handshake error from 127.0.0.1:44044: tls: client didn't provide a certificate"
OTHERS = OURS.replace("44044", "44045")
EARLIER = START - timedelta(seconds=1)


@pytest.fixture(name="greeted")
def replaced_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory of a certificate; a daemon accepts its CA, whatever it is asked."""
    vault = Authority.create("vault")
    install(tmp_path / "tls", SERVER, vault.server(), vault, at=START)
    names, source = (vault.certificate.subject,), ("127.0.0.1", 44044)
    greeting = Greeting(asks=True, authorities=names, source=source)
    monkeypatch.setattr(probe, "connect", lambda *_: None)
    monkeypatch.setattr(probe, "greet", lambda *_: greeting)
    return tmp_path / "tls"


@pytest.mark.parametrize(
    ("at", "line", "verdict"),
    [
        (START, OURS, Verdict.NOBODY),
        (START, OTHERS, Verdict.UNKNOWN),
        (EARLIER, OURS, Verdict.UNKNOWN),
    ],
)
def test_log_must_show_the_connection_of_now(
    at: datetime,
    line: str,
    verdict: Verdict,
    greeted: Path,
    journals: Journal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may be hidden, or of a daemon at another port; an earlier client had the same port."""
    journals.log = replace(LOG, messages=((at, line),))
    monkeypatch.setattr(clients, "_LONGEST", 0.0)
    found = find(1, [greeted], greeted.parent, timedelta(seconds=30), START)
    assert found.verdict is verdict
    is_said = any("this command has just made" in text for text in found.unknown)
    assert is_said is (verdict is Verdict.UNKNOWN)


@pytest.mark.usefixtures("journals")
def test_log_is_read_until_it_shows_the_connection(
    greeted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes dockerd and journald a moment."""
    logs = iter([LOG, LOG, replace(LOG, messages=((START, OURS),))])
    monkeypatch.setattr(journal, "read", lambda *_: next(logs))
    monkeypatch.setattr(clients, "_PAUSE", 0.0)
    monkeypatch.setattr(clients, "_LONGEST", 600.0)
    found = find(1, [greeted], greeted.parent, timedelta(seconds=30), START)
    assert found.verdict is Verdict.NOBODY


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"])
def test_daemon_is_asked_where_it_listens(
    address: str, host_dockerd: StartDockerd, tmp_path: Path
) -> None:
    """Also if that is not the usual loopback address (``daemon configure --listen``)."""
    authority = Authority.create("its clients")
    write_credential(tmp_path, authority.pem, authority.server())
    port = host_dockerd(credential=tmp_path, hosts=[address])
    found = find(port, [], tmp_path, timedelta(seconds=30), START)
    assert found.accepts == (AcceptedCA("CN=its clients", Origin.OTHER, until=None),)
    assert found.connected == ()


def test_keys_that_may_be_there_are_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user who may not look does not read that there are none."""
    unread = OldKeys((), (tmp_path,))
    monkeypatch.setattr(old_keys, "find", lambda _: unread)
    found = find(1, [tmp_path], tmp_path, timedelta(seconds=30), START)
    assert found.unknown[-1].endswith(f"may not read: needs root: {tmp_path}")


VAULTS, SAME_NAME, NEXT = (Authority.create(name).certificate for name in ("r", "r", "next"))


@pytest.mark.parametrize(
    ("named", "also", "files", "is_ambiguous"),
    [
        ([VAULTS], [], [VAULTS, NEXT], False),
        ([VAULTS], [], [SAME_NAME], True),
        ([VAULTS, SAME_NAME], [], [], True),
        ([VAULTS, SAME_NAME], [SAME_NAME], [SAME_NAME], False),
        ([NEXT, NEXT], [], [NEXT], False),
    ],
)
def test_ca_with_the_name_of_vaults_is_not_taken_for_it(
    named: list[Certificate],
    also: list[Certificate],
    files: list[Certificate],
    *,
    is_ambiguous: bool,
) -> None:
    """A daemon gives no more than names; how often it gives one, and other files, may tell."""
    found = ambiguous([ca.subject for ca in named], {VAULTS}, also, files)
    assert found == ({VAULTS.subject} if is_ambiguous else set())


def test_old_ca_with_the_name_of_vaults_proves_nothing(
    host_dockerd: StartDockerd, tmp_path: Path
) -> None:
    """Dockerd may still accept the old one; without its file, it is taken for Vault's."""
    new, old = Authority.create("same name"), Authority.create("same name")
    install(tmp_path / "tls", SERVER, new.server(), new, at=datetime.now(UTC))
    (tmp_path / "docker").mkdir()
    write_credential(tmp_path / "docker", old.pem, old.server())
    port = host_dockerd(credential=tmp_path / "docker")
    found = find(
        port, [tmp_path / "tls", tmp_path / "docker"], tmp_path, timedelta(seconds=30), START
    )
    assert found.accepts == (AcceptedCA("CN=same name", Origin.AMBIGUOUS, until=None),)
    assert found.verdict is Verdict.UNKNOWN
    assert found.unknown[0].startswith("which of the CAs with the name of Vault's")
    found = find(port, [tmp_path / "tls"], tmp_path, timedelta(seconds=30), START)
    assert found.accepts == (AcceptedCA("CN=same name", Origin.VAULT, until=None),)


@pytest.mark.parametrize(
    ("is_set_up", "presented", "advice"),
    [
        (False, "now", "--also-trust none`, restart dockerd unless a hook does, and run"),
        (False, "before", "--also-trust none`, restart dockerd unless a hook does, and run"),
        (False, "by hand", "once dockerd uses a certificate from Vault, which it does not yet"),
        (True, "now", "--also-trust none`, and run"),
        (True, "by hand", "--also-trust none`, and run"),
    ],
)
def test_trial_names_the_credential_of_the_daemon(
    is_set_up: bool,
    presented: str,
    advice: str,
    host_dockerd: StartDockerd,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also if it was renewed since; the restart is left out if the set-up does it."""
    state, tls, client = tmp_path / "state", tmp_path / "tls", tmp_path / "client"
    monkeypatch.setenv("DOCKERTLS_STATE_DIR", str(state))
    vault, old = Authority.create("vault"), Authority.create("old")
    leaves = {"before": vault.server(), "now": vault.server(), "by hand": old.server()}
    for name in ("before", "now"):
        install(tls, SERVER, leaves[name], vault, at=datetime.now(UTC))
    install(client, CLIENT, vault.client(), vault, at=datetime.now(UTC))
    for directory in (client, tls):
        Registry(state).add(directory)
    if is_set_up:
        write(state, SET_UP | {"certificates": str(tls)})
    write_credential(tmp_path, vault.pem + old.pem, leaves[presented])
    port = host_dockerd(credential=tmp_path)
    assert main.run(["daemon", "clients", "--port", str(port)]) == 3
    said = capsys.readouterr().err
    assert advice in said
    assert (f"issue server --dir {tls} --also" in said) is advice.startswith("--also")


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("is_set_up", [False, True])
def test_who_was_rejected_is_a_reason_to_start_over(
    verdict: Verdict,
    is_set_up: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing else is: who is unknown cannot have a new certificate."""
    monkeypatch.setenv("DOCKERTLS_STATE_DIR", str(tmp_path))
    if is_set_up:
        write(tmp_path, SET_UP)
    found = Clients(1, verdict, None, None, None, (), START, 0, (), ())
    monkeypatch.setattr(clients, "find", lambda *_: found)
    main.run(["daemon", "clients"])
    command = "dockertls-vault daemon restart" if is_set_up else "systemctl restart docker.service"
    is_said = f"`sudo {command}` starts the count over" in capsys.readouterr().err
    assert is_said is (verdict is Verdict.REJECTED)


def test_port_is_that_of_the_set_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unless another one is named, or the set-up does not say."""
    state = write(tmp_path, SET_UP | {"listen": ["127.0.0.1:1", "127.0.0.1:2"]})
    monkeypatch.setenv("DOCKERTLS_STATE_DIR", state)

    def port(*arguments: str) -> int:
        main.run(["daemon", "clients", "-o", "json", *arguments])
        return int(json.loads(capsys.readouterr().out)["data"]["port"])

    assert (port(), port("--port", "3")) == (1, 3)
    (tmp_path / "daemon" / "set-up.json").write_text("{}")
    assert port() == 2376


def test_port_without_a_daemon_leaves_everything_unknown(tmp_path: Path) -> None:
    """That is no failure: the daemon may be stopped."""
    found = find(1, [], tmp_path, timedelta(seconds=30), START)
    assert (found.verdict, found.accepts, found.connected) == (Verdict.UNKNOWN, None, None)
    assert found.unknown[0].startswith("whose clients the daemon accepts")


def test_end_date_that_has_passed_is_no_promise() -> None:
    """Nothing has removed the CA then: `renew` does."""
    old = replace(OLD, until=START)
    assert ca(old, START - timedelta(seconds=1)).startswith("CN=old (to be removed at ")
    assert "(should have been removed at 2026-11-27 00:00:00 UTC: run" in ca(old, START)


def test_rejections_from_this_host_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They do not count, and each check of the daemon adds some; JSON has them all."""
    own = Rejected("127.0.0.1", True, Reason.NO_CERTIFICATE, 2, START)
    later = Rejected("::1", True, Reason.OTHER, 1, START + timedelta(hours=1))
    found = Clients(1, Verdict.NOBODY, None, None, None, (own, STRANGER, later), START, 0, (), ())
    monkeypatch.setattr(clients, "find", lambda *_: found)
    main.run(["daemon", "clients"])
    rows = capsys.readouterr().out
    assert "this host: 3 times, the last at 2026-11-27 01:00:00 UTC; that does not count" in rows
    assert ("10.0.0.5: sent no certificate" in rows, "127.0.0.1" in rows) == (True, False)
    main.run(["daemon", "clients", "-o", "json"])
    assert len(json.loads(capsys.readouterr().out)["data"]["rejected"]) == 3


@pytest.mark.parametrize(
    ("invocation", "user", "words"),
    [
        (None, 0, "systemd does not run docker.service here; look for"),
        ("3", 1000, "shows this user no line that dockerd wrote; run this as root"),
        ("3", 0, "the journal has no line that dockerd wrote; look for"),
    ],
)
def test_log_that_is_not_there_is_looked_for_elsewhere(
    invocation: str | None,
    user: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By root, too, unless a user may just not read it."""
    counted = None if invocation is None else Counted(Runs(invocation))
    monkeypatch.setattr(runs, "find", lambda _: counted)
    monkeypatch.setattr(journal, "read", lambda *_: None)
    monkeypatch.setattr("os.geteuid", lambda: user)
    found = find(1, [], tmp_path, timedelta(seconds=30), START)
    (rejected,) = (each for each in found.unknown if each.startswith("who was rejected: "))
    assert words in rejected
