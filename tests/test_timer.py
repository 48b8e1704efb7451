"""The timer on a real host with systemd, set up exactly as in the guide."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from . import console
from .harness.host import Host, running_host
from .harness.notes import note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .harness.engine import Engine

pytestmark = pytest.mark.slow

PAGE = "docs/how-to/renew-unattended.md"
UNITS = "/etc/systemd/system"
SERVICE = "dockertls-renew.service"
NOW = "dockertls-renew-now.service"
TIMER = "dockertls-renew.timer"
TARGET = "dockertls-renew.target"
INSTALL = "dockertls-vault renew --install-timer"
SERVER = "/etc/docker/tls"
# What the host has before: a CA, and a certificate whose hook restarts Docker.
PREPARE = """\
set -e
dockertls-vault ca init --allow-any-name --yes
dockertls-vault ca policy client | bao policy write docker-user -
dockertls-vault issue server --ttl 2m --hook 'systemctl try-restart docker.service'
useradd --create-home --groups docker alice
"""
# Renewals of a certificate of two minutes in an hour: it is due after 80 seconds, more or less.
AN_HOUR = 45
MAKE_DUE = """\
now=$(date --utc +%FT%T.%6N+00:00)
sed -i "s/\\"due\\": .*/\\"due\\": \\"$now\\",/" '{}/.dockertls/due.json'
"""
# The tests start the service themselves: its status is that of its last start.
NEVER = "[Timer]\nOnCalendar=\nOnCalendar=2100-01-01"
AWAY = "[Service]\nEnvironment=VAULT_ADDR=http://127.0.0.1:1 DOCKERTLS_TIMEOUT=100ms"
HERS = Path("/home", "alice")


@pytest.fixture(scope="module")
def host(engine: Engine, host_image: str, host_program: Path) -> Iterator[Host]:
    """Return a host on which the guide was followed; at the end, its last section is."""
    with running_host(engine, host_image, host_program) as booted:
        booted.do(PREPARE)
        follow(booted, "1. Let the host log in", "2. Install the timer")
        booted.do("bao write auth/approle/role/docker1 token_policies=docker-host,docker-user")
        follow(booted, "3. See it work", "Renew now", "If a renewal fails")
        follow(booted, "What the service may do")
        with drop_in(booted, TIMER, NEVER):
            yield booted
        follow(booted, "Remove the timer")
        assert "dockertls" not in booted.do(f"ls {UNITS}")


def follow(host: Host, section: str, *others: str) -> None:
    """Run each command of these sections of the guide, and compare its output."""
    for title in (section, *others):
        found = [shown for shown in console.commands(PAGE) if shown.section == title]
        assert found, title
        for shown in found:
            printed = host.do(shown.text)
            assert console.not_printed(shown.output, printed) == [], f"$ {shown.text}\n{printed}"


@contextmanager
def drop_in(host: Host, unit: str, text: str) -> Iterator[None]:
    """Apply ``text`` to a unit, or to those with its prefix, in the meantime."""
    directory = f"{UNITS}/{unit}.d"
    host.do(f"mkdir -p {directory}; echo '{text}' >{directory}/test.conf; systemctl daemon-reload")
    host.do(f"systemctl try-restart {TIMER}")
    try:
        yield
    finally:
        host.do(f"rm {directory}/test.conf; rmdir --ignore-fail-on-non-empty {directory}")
        host.do("systemctl daemon-reload")


def make_due(host: Host, directory: str | Path = SERVER) -> None:
    """Turn the clock forward for one credential: its renewal is due."""
    host.do(MAKE_DUE.format(directory))


def end_of_journal(host: Host) -> str:
    """Return the position of the last entry."""
    last = host.do("journalctl --sync; journalctl --lines=1 --output=json")
    return str(json.loads(last)["__CURSOR"])


def logged(host: Host, after: str, unit: str = "dockertls-renew*") -> str:
    """Return what the journal has of a unit after a position."""
    return host.do(f"journalctl --sync; journalctl -o cat --after-cursor='{after}' -u '{unit}'")


def start(host: Host, unit: str = SERVICE) -> tuple[int, str]:
    """Start a unit; return the status of systemctl, and what the journal has of that."""
    before = end_of_journal(host)
    status, _ = host.run(f"systemctl start {unit}")
    return status, logged(host, before)


def generations(host: Host, directory: str = SERVER) -> list[str]:
    """Return the names of a credential's generations, oldest first."""
    return host.do(f"ls '{directory}/.dockertls/generations'").split()


def shown(host: Host, name: str, unit: str = SERVICE) -> str:
    """Return a property of a unit."""
    return host.do(f"systemctl show --value --property={name} {unit}").strip()


def test_sandbox_is_tight(host: Host, pytestconfig: pytest.Config) -> None:
    """The exposure is below 3, and the one in the guide; no unit has an error."""
    for unit in (SERVICE, NOW):
        printed = host.do(f"systemd-analyze security --no-pager {unit}")
        score = re.search(r"Overall exposure level for \S+: ([\d.]+)", printed)
        assert score is not None
        assert float(score[1]) < 3
        assert f"exposure as {score[1]} (lower is better)" in " ".join(
            console.PAGES[PAGE].read_text().split()
        )
        note(pytestconfig, f"systemd-analyze security {unit}: {score[1]}")
    names = (SERVICE, NOW, TIMER, TARGET)
    assert host.do(f"cd {UNITS}; systemd-analyze verify {' '.join(names)}") == ""


def test_second_run_changes_nothing(host: Host) -> None:
    """Nor with --dry-run; a unit that was edited is written again."""
    assert host.do(INSTALL) == "no changes needed\n"
    assert host.do(f"{INSTALL} --dry-run") == "no changes needed\n"
    host.do(f"echo >>{UNITS}/{TARGET}")
    host.do(f"systemctl disable --now --quiet {TIMER}")
    assert host.do(INSTALL).splitlines()[:-1] == [
        f"- edit {UNITS}/{TARGET}",
        "- reload systemd's unit files",
        f"- enable and start {TIMER}",
    ]
    assert host.do(INSTALL) == "no changes needed\n"
    assert host.do(f"ls -A {UNITS} | grep '^\\.' || true") == ""


@pytest.mark.parametrize("content", ["[Unit]\n", None])
def test_foreign_unit_is_not_overwritten(host: Host, content: str | None) -> None:
    """Nor is a masked one."""
    host.do(f"mv {UNITS}/{TARGET} /run/")
    host.do(
        f"systemctl mask {TARGET}" if content is None else f"echo '{content}' >{UNITS}/{TARGET}"
    )
    status, printed = host.run(INSTALL)
    assert (status, f"{TARGET} was not written by dockertls-vault" in printed) == (73, True)
    host.do(f"mv -f /run/{TARGET} {UNITS}; systemctl daemon-reload")


def test_every_renewal_of_an_hour_is_seen(host: Host) -> None:
    """Certificates of two minutes are renewed, logged in the journal, and put in use."""
    host.do(f"dockertls-vault issue client --ttl 2m --owner alice --dir {HERS}/.docker")
    host.do(INSTALL)
    before = end_of_journal(host)
    seen = host.do(
        f"""for n in $(seq {AN_HOUR}); do
            {MAKE_DUE.format(HERS / ".docker")}
            systemctl start {SERVICE} || exit
            basename $(readlink {HERS}/.docker/.dockertls/current)
        done"""
    ).split()
    assert len(set(seen)) == AN_HOUR
    journal = logged(host, before, SERVICE)
    assert journal.count(f"{HERS}/.docker: renewed: due since") == AN_HOUR
    assert journal.count(f"{SERVICE}: Deactivated successfully.") == AN_HOUR
    files = f"stat -c '%U %a' {HERS}/.docker/{{ca,cert,key}}.pem -L"
    assert host.do(files) == "alice 444\nalice 444\nalice 400\n"


def test_service_is_skipped_if_nothing_is_due(host: Host) -> None:
    """Its condition makes that neither a success nor a failure."""
    start(host, TARGET)
    before = generations(host)
    status, journal = start(host)
    assert (status, shown(host, "Result")) == (0, "exec-condition")
    assert generations(host) == before
    assert "renewed" not in journal


def test_hook_restarts_docker_in_the_sandbox(host: Host) -> None:
    """It calls systemd, outside of the sandbox; the host's addresses are visible inside.

    Without netlink, the next certificate would lack the addresses.
    """
    names = host.do(f"dockertls-vault status {SERVER} -o json")
    assert "10.0.0.7" in names
    before = shown(host, "MainPID", "docker.service")
    make_due(host)
    status, journal = start(host)
    assert (status, "this machine" in journal) == (0, False), journal
    assert shown(host, "MainPID", "docker.service") not in {"0", before}
    assert shown(host, "ActiveState", "docker.service") == "active"


def test_failure_is_tried_again(host: Host) -> None:
    """The status is 75 while the certificate is valid, and 69 afterwards."""
    start(host, TARGET)
    with drop_in(host, "dockertls-.service", AWAY):
        make_due(host)
        for _ in range(6):  # systemd's own limit is five starts in ten seconds
            status, journal = start(host)
            assert (status, shown(host, "ExecMainStatus")) == (1, "75"), journal
        assert "the certificate in use is valid for another" in journal
        host.do("dockertls-vault issue client --ttl 5s --name a --dir /srv/short")
        host.do(f"{INSTALL}; sleep 5")
        status, journal = start(host)
        assert (status, shown(host, "ExecMainStatus")) == (1, "69"), journal
        host.do("rm -r /srv/short")
    status, journal = start(host)
    assert (status, shown(host, "ExecMainStatus")) == (0, "0"), journal


def test_target_renews_now(host: Host) -> None:
    """It renews each time, waits, fails with a renewal, and starts what others add."""
    host.do(
        "printf '[Service]\\nType=oneshot\\nExecStart=touch /run/joined\\n[Install]\\n"
        f"WantedBy={TARGET}\\n' >{UNITS}/joins.service; systemctl enable --quiet joins.service"
    )
    seen = [generations(host)[-1]]
    for _ in range(2):
        assert start(host, TARGET)[0] == 0
        seen.append(generations(host)[-1])
    assert len(set(seen)) == 3
    host.do("rm /run/joined; systemctl disable --quiet joins.service")
    host.do(f"rm -r {UNITS}/joins.service {UNITS}/{TARGET}.wants 2>/dev/null || true")
    host.do("chmod 777 /etc/docker/tls")
    assert start(host, TARGET)[0] == 1
    host.do("chmod 755 /etc/docker/tls")


@pytest.mark.parametrize(
    "directory",
    ["/srv/a b%n'\"$c:d", "/tmp/client", "/root/.docker", str(HERS / "certs")],  # noqa: S108 - on the host
)
def test_later_certificate_needs_the_timer_again(host: Host, directory: str) -> None:
    """`issue` and `renew` report it; a sandbox that hides the directory does not drop it."""
    quoted = "'" + directory.replace("'", "'\\''") + "'"
    owner = "--owner alice" if "alice" in directory else ""
    issued = host.do(f"dockertls-vault issue client --ttl 2m --dir {quoted} {owner} --name a")
    assert "`dockertls-vault renew --install-timer` again" in issued
    status, journal = start(host, TARGET)
    assert (status, "`dockertls-vault renew --install-timer` again" in journal) == (1, True)
    host.do(INSTALL)
    status, journal = start(host, TARGET)
    assert (status, "--install-timer" in journal) == (0, False), journal
    assert f"{directory}: renewed: --force" in journal
    host.do(f"rm -r {quoted}")
    assert "is gone" in start(host, TARGET)[1]


def test_secrets_are_readable_only_by_root(host: Host) -> None:
    """They are in no other file, in no journal, and in no property of the units."""
    secret = host.do("cat /etc/dockertls-vault/secret_id").strip()
    told = host.do("journalctl -o export -a") + host.do(f"systemctl show {SERVICE} {NOW}")
    told += host.do(f"systemctl cat {SERVICE} {NOW} {TIMER} {TARGET}")
    assert secret not in told
    assert "PRIVATE KEY" not in told
    assert "hvb." not in told  # a batch token
    for path in ("/etc/dockertls-vault/secret_id", f"{SERVER}/server-key.pem"):
        assert "Permission denied" in host.run(f"cat {path}", user="nobody")[1]


def test_user_cannot_install_the_timer(host: Host) -> None:
    """Nor may root install a program that a user could change."""
    status, printed = host.run(INSTALL, user="alice")
    assert (status, "only root can install the timer" in printed) == (73, True)
    host.do("cp -a /opt/dockertls-vault /opt/hers; chown -R alice /opt/hers")
    mine = "/opt/hers/bin/python3 -m dockertls_vault renew --install-timer"
    status, printed = host.run(mine)
    assert (status, "belongs to alice" in printed) == (78, True), printed
    host.do("rm -r /opt/hers")
