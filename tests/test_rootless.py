"""Rootless Docker on a real host with systemd, set up by a user exactly as in the guide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from . import console
from .harness.host import Host, running_host
from .harness.images import ROOTLESS
from .harness.missing import missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .harness.engine import Engine

pytestmark = pytest.mark.slow

PAGE = "docs/how-to/without-systemd.md"
SECTION = "Rootless Docker"
CERTS = "/home/alice/.config/docker/tls"
# RootlessKit creates its network with this.
TUN = "/dev/net/tun"
# Ubuntu denies user namespaces to programs that AppArmor does not know.
RESTRICTED = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
PREPARE = """\
set -e
dockertls-vault ca init --allow-any-name --yes
useradd --uid 1000 --create-home alice
loginctl enable-linger alice
systemctl start user@1000.service
# Debian has its programs in two places, and Docker's set-up expects one.
ln -s /usr/bin/docker /usr/share/docker.io/contrib
"""
# For the service of the timer.
LOG_IN = """\
set -e
mkdir -p /etc/dockertls-vault
(umask 077; echo "$VAULT_TOKEN" >/etc/dockertls-vault/token)
printf '[vault]\\naddress = "%s"\\ntoken_file = "/etc/dockertls-vault/token"\\n' "$VAULT_ADDR" \\
    >/etc/dockertls-vault/config.toml
"""
# It looks for kernel modules, which a container does not see.
INSTALL = """\
set -e
PATH=/usr/share/docker.io/contrib:$PATH dockerd-rootless-setuptool.sh install --skip-iptables
dockertls-vault issue client
"""
IN_USE = "docker -H unix://$XDG_RUNTIME_DIR/docker.sock version"
WAIT = f"timeout 60 sh -c 'until {IN_USE}; do sleep 0.1; done'"


def as_alice(host: Host, command: str) -> tuple[int, str]:
    """Run a command as in a session of hers; return its exit status and its output."""
    return host.run(f"cd; export XDG_RUNTIME_DIR=/run/user/1000\n{command}", "alice")


def do(host: Host, command: str) -> str:
    """Run a command as alice, expect success, and return its output."""
    status, printed = as_alice(host, command)
    assert status == 0, f"$ {command}\n{printed}"
    return printed


def commands(*, of_root: bool) -> list[str]:
    """Return the commands of the guide that the user runs, or root."""
    found = [shown.text for shown in console.commands(PAGE) if shown.section == SECTION]
    return [text for text in found if text.startswith("sudo ") == of_root]


@pytest.fixture(scope="module")
def host(engine: Engine, host_image: str, host_program: Path) -> Iterator[Host]:
    """Return a host on which alice followed the guide."""
    if not Path(TUN).exists():
        missing(f"there is no {TUN}")
    if RESTRICTED.exists() and RESTRICTED.read_text().strip() != "0":
        missing(
            f"AppArmor restricts user namespaces: sysctl kernel.{RESTRICTED.name}=0 allows them"
        )
    with running_host(engine, host_image, host_program, devices=[TUN]) as booted:
        # A HOST_IMAGE may lack some, and then this names them.
        booted.do(f"dpkg-query --show {' '.join(ROOTLESS)}")
        booted.do(PREPARE)
        do(booted, INSTALL)
        for text in commands(of_root=False):
            do(booted, text)
        yield booted


def test_only_clients_with_a_certificate_are_accepted(host: Host) -> None:
    """At the port that RootlessKit forwards; the Unix socket of the user works, too."""
    do(host, WAIT)
    assert "rootless" in do(host, f"{IN_USE.removesuffix('version')} info")
    do(host, "dockertls-vault check 127.0.0.1")


def test_existing_settings_are_not_overwritten(host: Host) -> None:
    """The command that writes daemon.json fails if there is one."""
    (text,) = (text for text in commands(of_root=False) if "daemon configure" in text)
    status, printed = as_alice(host, text)
    assert (status, "cannot overwrite existing file" in printed) == (1, True)


def test_renewal_restarts_dockerd(host: Host) -> None:
    """By the hooks of the guide: the renewed certificate is the one that is served."""
    do(host, "dockertls-vault renew --force ~/.config/docker/tls")
    do(host, WAIT)
    assert "same" in do(host, f"dockertls-vault status {CERTS}")


def test_doctor_examines_it(host: Host) -> None:
    """In the namespaces of RootlessKit, as docs/how-to/diagnose.md says; Vault is not there."""
    do(host, WAIT)
    pid = do(host, "cat $XDG_RUNTIME_DIR/docker.pid")
    enter = f"nsenter -U --preserve-credentials -m -n -t {pid} dockertls-vault daemon doctor"
    _, outside = as_alice(host, f"dockertls-vault daemon doctor --pid {pid} -o json")
    assert f"run this as its user: {enter}" in outside
    printed = do(host, f"unset VAULT_ADDR; {enter}")
    assert "/home/alice/.config/docker/daemon.json" in printed
    assert "rootless: its containers stop" in printed


def test_timer_of_root_renews_it(host: Host) -> None:
    """And restarts it, from the sandbox of its service."""
    host.do(LOG_IN)
    for text in commands(of_root=True):
        host.do(text)
    served = f"readlink {CERTS}/.dockertls/current"
    before = host.do(served)
    host.do("systemctl start dockertls-renew.target")
    assert host.do(served) != before
    do(host, WAIT)
    assert "same" in do(host, f"dockertls-vault status {CERTS}")
