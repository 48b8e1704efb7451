"""Clients that call a host's Docker without pause while the timer renews its certificate."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .host import Host

CLIENT = "/srv/client"
CONTAINER = "counting"
_CALLERS = Path(__file__).with_name("callers.py")
# The host logs in with the token of a file; the timer starts its service every few seconds.
_PREPARE = """\
set -e
mkdir -p /etc/dockertls-vault
(umask 077; printf %s "$VAULT_TOKEN" >/etc/dockertls-vault/token)
cat >/etc/dockertls-vault/config.toml <<END
[vault]
address = "$VAULT_ADDR"
token_file = "/etc/dockertls-vault/token"
END
dockertls-vault ca init --allow-any-name --yes
dockertls-vault issue server --host 127.0.0.1 --ttl 1h
dockertls-vault issue client --dir {client} --ttl 1d
mkdir -p /etc/systemd/system/dockertls-renew.timer.d
cat >/etc/systemd/system/dockertls-renew.timer.d/often.conf <<END
[Timer]
OnCalendar=
OnCalendar=*:*:0/{seconds}
RandomizedDelaySec=0
AccuracySec=100ms
END
mkdir -p /etc/systemd/system/docker.service.d
printf '[Unit]\\nStartLimitIntervalSec=0\\n' >/etc/systemd/system/docker.service.d/often.conf
systemctl daemon-reload
dockertls-vault daemon configure --certs {client} --yes
"""
# dockerd opens the port itself, with the same settings; the default hook refuses to restart it.
_OPEN = """\
set -e
rm /etc/systemd/system/docker-tls.socket /etc/systemd/system/docker.service.d/zz-docker-tls.conf
echo 'DOCKER_OPTS="-H tcp://0.0.0.0:2376"' >/etc/default/docker
systemctl stop docker-tls.socket docker.service
systemctl daemon-reload
systemctl start docker.service
dockertls-vault issue server --host 127.0.0.1 --ttl 1h --hook 'systemctl try-restart docker.service'
"""
# A container that counts: its log has no gap if it runs on, and none of its lines is lost.
_COUNT = """\
set -e
for program in /bin/sh /bin/sleep; do
    for file in $program $(ldd $program | grep -o '/[^ ]*'); do
        mkdir -p /srv/image$(dirname $file)
        cp -L $file /srv/image$file
    done
done
tar -C /srv/image -c . | docker import - small
docker run --detach --name {container} --network none small \
    sh -c 'n=0; while :; do echo $n; n=$((n + 1)); sleep 0.05; done'
"""
_CALL = """\
nohup nice -n {nice} python3 /srv/callers.py {client} >/srv/calls 2>&1 &
echo $! >/srv/callers.pid
timeout 60 sh -c 'until [ -s /srv/calls ]; do sleep 0.05; done'
"""
# Ends once every caller was answered: some answers of the first line that follows may be older.
_ANSWERED = """\
export lines=$(($(wc -l </srv/calls) + 2))
timeout 240 sh -c 'until [ $(wc -l </srv/calls) -ge $lines ]; do sleep 0.05; done'
"""
_END = """\
pid=$(cat /srv/callers.pid)
kill $pid
if ! timeout 240 tail --pid=$pid -f /dev/null; then  # longer than any call
    kill -USR1 $pid
    sleep 1
    cat /srv/calls
    exit 1
fi
tail -n 1 /srv/calls
"""
# Its certificate becomes due. The command ends after the timer has started the service, and that is
# done, with another process of dockerd.
_RENEW = """\
daemon() { systemctl show --value --property=MainPID docker.service; }
state() { systemctl show --value --property=ActiveState $1; }
before=$(daemon)
now=$(date --utc +%FT%T.%6N+00:00)
sed -i "s/\\"due\\": .*/\\"due\\": \\"$now\\",/" /etc/docker/tls/.dockertls/due.json
for n in $(seq 600); do
    after=$(daemon)
    if [ $after != 0 ] && [ $after != $before ] && [ $(state docker.service) = active ] &&
        [ $(state dockertls-renew.service) = inactive ]
    then
        exit 0
    fi
    sleep 0.2
done
exit 1
"""


@dataclass(frozen=True)
class Calls:
    """What became of the calls of one caller; ``other`` are failures of any other kind.

    ``lost`` are connections that dockerd accepted, and ended without a complete response.
    """

    answered: int
    refused: int
    lost: int
    other: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """The calls of each caller in ``seconds``, and how many ``certificates`` they saw.

    ``kept`` is whether the container ran on, ``missing`` how many lines of its log are missing.
    """

    seconds: float
    certificates: int
    kept: bool
    missing: int
    callers: Mapping[str, Calls]

    @property
    def calls(self) -> int:
        """How many calls were made."""
        return sum(calls.answered + calls.refused + calls.lost for calls in self.callers.values())

    @property
    def refused(self) -> int:
        """How many were refused."""
        return sum(calls.refused for calls in self.callers.values())

    @property
    def lost(self) -> int:
        """How many were lost."""
        return sum(calls.lost for calls in self.callers.values())

    @property
    def other(self) -> tuple[str, ...]:
        """All other failures."""
        return tuple(failure for calls in self.callers.values() for failure in calls.other)


def prepare(host: Host, *, seconds: int = 1) -> None:
    """Issue certificates, configure dockerd, install the timer, and start the container.

    ``seconds`` are those from one start of the timer's service to the next.
    """
    host.do(_PREPARE.format(client=CLIENT, seconds=seconds))
    host.do(_COUNT.replace("{container}", CONTAINER))
    host.do("dockertls-vault renew --install-timer")


def open_port(host: Host) -> None:
    """Take the socket from systemd: from now on dockerd opens the port, with `-H tcp://`."""
    host.do(_OPEN)


def under_load(host: Host, renewals: int, *, nice: int = 0) -> Outcome:
    """Have the timer renew the certificate that often while clients call without pause.

    Each of them is answered at least once between two renewals, and after the last one.
    ``nice`` is theirs: nice(1). What renews and restarts need not wait for clients that take only
    the processors that it leaves.
    """
    pid, missing = _container(host), _missing(host)
    host.do(f"cat >/srv/callers.py <<'END'\n{_CALLERS.read_text()}\nEND\n:")
    host.do(_CALL.format(client=CLIENT, nice=nice))
    for _ in range(renewals):
        host.do(_RENEW)
        host.do(_ANSWERED)
    found = json.loads(host.do(_END))
    return Outcome(
        found["seconds"],
        found["certificates"],
        _container(host) == pid,
        _missing(host) - missing,
        {name: _calls(counts) for name, counts in found["callers"].items()},
    )


def _calls(counts: Mapping[str, int]) -> Calls:
    known = {name: counts.get(name, 0) for name in ("answered", "refused", "lost")}
    return Calls(**known, other=tuple(sorted(counts.keys() - known.keys())))


def _container(host: Host) -> str:
    return host.do(f"docker inspect --format '{{{{.State.Pid}}}}' {CONTAINER}").strip()


def _missing(host: Host) -> int:
    """Return how many numbers are missing in the log of the container."""
    numbers = [int(line) for line in host.do(f"docker logs {CONTAINER}").split()]
    assert numbers == sorted(set(numbers))
    return max(numbers, default=-1) + 1 - len(numbers)
