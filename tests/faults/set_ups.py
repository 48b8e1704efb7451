"""Kill `daemon configure` at each system call that changes the host, and as it starts each child.

It runs on a real host with systemd and Docker. Whatever was killed, dockerd starts, its unix socket
works, port 2376 answers nothing in plaintext, and the next run completes the set-up or takes it
back.
"""

from __future__ import annotations

import itertools
import shlex
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from tests.harness import images
from tests.harness.engine import any_engine
from tests.harness.host import packages, running_host
from tests.programs import ROOT
from tests.releases import hatch

from . import strace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.harness.host import Host

_ROOT = Path("/")
# Where a set-up changes files: each is compared, apart from the credential, and the open ports.
_PLACES = "/etc/docker /etc/systemd/system /etc/default"
_STATE = "/var/lib/dockertls-vault/daemon"
_CHANGED = ("etc/", _STATE.lstrip("/"))
_CONFIGURE = "daemon configure --yes"
_REMOVE = "daemon configure --yes --remove"
# Its children are not traced: each would count its own calls, and be killed, too.
_ALONE = ("--detach-on=execve",)
# There are no ACLs that it could remove.
_IDLE = ("fremovexattr",)
# A drop-in that leads systemd to other addresses.
_ELSEWHERE = "/etc/systemd/system/docker-tls.socket.d"
_OVERRIDE = "/etc/systemd/system/docker.service.d/override.conf"
_KILLED = 128 + 9
_STRACE_PLACE = "/opt/strace"
_STRACE = (
    f"{_STRACE_PLACE}/loader",
    *("--library-path", _STRACE_PLACE),
    f"{_STRACE_PLACE}/strace",
)
_LOG = "/tmp/strace.log"  # noqa: S108 - the host's, which is a container

# As at a boot: nothing of Docker runs, and the unit files are read.
_SHELL = f"""
cd /
list() {{
    find {_PLACES} ! -path '/etc/docker/tls*' -printf '%p %y %u %g %m %l\\n' | LC_ALL=C sort
    find {_PLACES} ! -path '/etc/docker/tls*' -type f -exec sha256sum {{}} + | LC_ALL=C sort
    ss -ltnH | grep -o '[^ ]*:23[0-9]* ' | LC_ALL=C sort
}}
stop_docker() {{ systemctl stop docker.service docker.socket docker-tls.socket 2>/dev/null; }}
start_docker() {{
    systemctl daemon-reload
    systemctl reset-failed
    systemctl start docker.socket docker.service
}}
problem() {{ echo "PROBLEM $*"; }}
is_kept() {{ test "$(cat /proc/$(cat /srv/pid)/comm 2>/dev/null)" = sleep; }}
is_live() {{ test "$(docker info --format '{{{{.LiveRestoreEnabled}}}}' 2>&1)" = true; }}
look() {{
    docker version >/dev/null 2>&1 || problem "$1: nobody answers at the unix socket"
    if timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/2376 &&
        printf "GET /version HTTP/1.0\\r\\n\\r\\n" >&3 && cat <&3' 2>/dev/null | grep -aq ApiVersion
    then problem "$1: port 2376 answers in plaintext"
    fi
}}
"""
_KEEP = """
image=sleeper
docker image inspect $image >/dev/null 2>&1 ||
    tar -ch /bin/sleep $(ldd /bin/sleep | grep -o '/[^ ]*') 2>/dev/null |
    docker import - $image >/dev/null
docker rm --force kept >/dev/null 2>&1
docker run --detach --name kept --network none --stop-signal KILL $image /bin/sleep 1000000
"""
_SAVE = f"""
stop_docker
rm -rf /srv/saved
mkdir /srv/saved
cp -a --parents {_PLACES} /var/lib/dockertls-vault /srv/saved
"""
_PUT_BACK = f"""
stop_docker
rm -rf {_PLACES} /var/lib/dockertls-vault
cp -a /srv/saved/. /
start_docker || exit
docker start kept >/dev/null || exit
docker inspect --format '{{{{.State.Pid}}}}' kept >/srv/pid
systemctl reset-failed
"""
_CLEAR = f"""
rm -rf {_ELSEWHERE}
start_docker && dockertls-vault {_REMOVE} && rm -f /etc/docker/daemon.json &&
    {{ sed -i /^DOCKER_OPTS/d /etc/default/docker; rm -f {_OVERRIDE}; start_docker; }}
"""
_RESTART = """
is_live && live=yes
systemctl daemon-reload
systemctl restart docker.service || problem "docker.service cannot be restarted"
look "after a restart"
test "$live" && is_live && { is_kept || problem "a restart stopped a container"; }
stop_docker
start_docker || problem "Docker does not start at a boot"
look "after a boot"
"""


@dataclass(frozen=True)
class Kind:
    """What is killed: ``command``, on a host that was prepared by ``before``.

    ``original`` prepares what is found again once everything is taken back; ``mend`` ends what lets
    the command fail, which ends with ``status``. ``again`` completes the set-up.
    """

    command: str = _CONFIGURE
    original: str = ":"
    before: str = ":"
    mend: str = ":"
    status: int = 0
    again: str = _CONFIGURE


_DAEMON_JSON = r"""
printf '{\n    "log-opts": {"max-size": "9m"},\n\t"debug" : false, "live-restore": %s\n}' {live} \
    >/etc/docker/daemon.json
chmod 640 /etc/docker/daemon.json
"""
_SET_UP = f"dockertls-vault {_CONFIGURE} >/dev/null"
# systemd listens elsewhere than the check connects to.
_MISLEAD = f"""
mkdir {_ELSEWHERE}
printf '[Socket]\nListenStream=\nListenStream=2399\n' >{_ELSEWHERE}/elsewhere.conf
systemctl daemon-reload
"""
_MEND = f"rm -r {_ELSEWHERE}; systemctl daemon-reload"
# As people have set up TLS in /etc/default/docker, of which Debian's unit takes DOCKER_OPTS.
_TAKE_OVER = f"{_CONFIGURE} --take-over"
_OPTIONS = """
options="-H tcp://0.0.0.0:2376 --tlsverify --tlscacert=/etc/docker/tls/ca.pem"
options="$options --tlscert=/etc/docker/tls/server-cert.pem --tlskey=/etc/docker/tls/server-key.pem"
"""
_BY_HAND = f"""{_OPTIONS}
echo "DOCKER_OPTS=\\"$options\\"" >>/etc/default/docker
"""
# As `systemctl edit docker.service` would have it.
_BY_UNIT = f"""{_OPTIONS}
mkdir -p /etc/systemd/system/docker.service.d
printf '[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd -H fd:// %s\n' "$options" \
    >{_OVERRIDE}
"""
KINDS = {
    "configure": Kind(),
    "configure with a daemon.json": Kind(original=_DAEMON_JSON.replace("{live}", "false")),
    "configure other addresses": Kind(
        f"{_CONFIGURE} --listen 2377 --listen 10.0.0.7:2376", before=_SET_UP
    ),
    "remove": Kind(_REMOVE, before=_SET_UP),
    "remove with a daemon.json": Kind(
        _REMOVE, original=_DAEMON_JSON.replace("{live}", "true"), before=_SET_UP
    ),
    "put back": Kind(before=_MISLEAD, mend=_MEND, status=78),
    "put back the set-up before": Kind(
        f"{_CONFIGURE} --listen 10.0.0.7:2376",
        before=f"{_SET_UP}\n{_MISLEAD}",
        mend=_MEND,
        status=78,
    ),
    "take over": Kind(_TAKE_OVER, original=_BY_HAND, again=_TAKE_OVER),
    "take over a unit": Kind(_TAKE_OVER, original=_BY_UNIT, again=_TAKE_OVER),
    "remove after a take-over": Kind(
        _REMOVE,
        original=_BY_HAND,
        before=f"dockertls-vault {_TAKE_OVER} >/dev/null",
        again=_TAKE_OVER,
    ),
}


@dataclass(frozen=True)
class Child:
    """The ``nth`` call of that name in the main thread, which starts another program."""

    name: str
    nth: int
    place: None = None

    def kill(self, _root: Path) -> list[str]:
        """Return the options that kill a run as it enters this call."""
        return ["--inject", f"{self.name}:signal=KILL:when={self.nth}"]


Point: TypeAlias = "strace.Call | Child"


class Daemon:
    """A host on which one kind of command is killed; ``scratch`` is a directory here."""

    def __init__(self, host: Host, kind: Kind, scratch: Path) -> None:
        self.kind = kind
        self._host = host
        self._log = scratch / "log"
        self._original = self._prepare()

    def put_back(self) -> None:
        """Make the host what it was before the first run."""
        self._do(_PUT_BACK)

    def points(self) -> tuple[Point, ...]:
        """Let a run finish; return each point at which one can be killed."""
        self.put_back()
        status, printed = self._traced([])
        assert status == self.kind.status, printed
        calls = strace.changes(self._log, _ROOT, varying=False, failed=False)
        changing = [
            call
            for call in calls.known
            if call.place.startswith(_CHANGED) and call.name not in _IDLE
        ]
        children = strace.children(self._log)
        return (*changing, *itertools.starmap(Child, children))

    def kill(self, point: Point, turn: int) -> Iterator[str]:
        """Kill a run at ``point``, and yield what is wrong afterwards.

        ``turn`` says whether Docker is restarted before or after the next run, and whether that
        completes the set-up or takes it back.
        """
        self.put_back()
        status, printed = self._traced(point.kill(_ROOT))
        killed = strace.killed_at(self._log, _ROOT, varying=False)
        if status != _KILLED or killed != [(point.name, point.place)]:
            yield f"status {status}, killed at {killed}: {printed}"
        yield from self._problems('look "at once"; is_kept || problem "a container was stopped"')
        following = [self._restarted, (self._taken_back, self._completed)[turn % 2]]
        for judge in following if turn % 4 < 2 else reversed(following):
            yield from judge()

    def _restarted(self) -> Iterator[str]:
        yield from self._problems(_RESTART)

    def _completed(self) -> Iterator[str]:
        self._do(self.kind.mend)
        for wanted in ("passed its check", "no changes needed"):
            status, printed = self._run(f"dockertls-vault {self.kind.again}")
            if status or (wanted not in printed and "no changes needed" not in printed):
                yield f"the next run exits with {status}: {printed}"
        yield from self._problems('look "after the next run"')
        # Of the record, what was staged stays until it is written again.
        if left := self._do(f"find {_PLACES} -name '.*' ! -name .dockertls"):
            yield f"the next run leaves {left}"

    def _taken_back(self) -> Iterator[str]:
        self._do(self.kind.mend)
        was_recorded = self._host.run(f"test -e {_STATE}/set-up.json")[0] == 0
        for _ in range(2):
            status, printed = self._run(f"dockertls-vault {_REMOVE}")
            if status:
                yield f"--remove exits with {status}: {printed}"
        if "no changes needed" not in printed:
            yield f"--remove has something left to do: {printed}"
        yield from self._problems('look "after --remove"')
        found = self._do("list")
        if found != self._original:
            changed = set(found.splitlines()) ^ set(self._original.splitlines())
            yield f"--remove leaves {sorted(changed)}"
        left = set(self._do(f"ls -A {_STATE} 2>/dev/null || :").split()) - {"lock"}
        if was_recorded and left:
            yield f"--remove leaves {left} in {_STATE}"

    def _prepare(self) -> str:
        """Prepare and save the host; return the listing of what it was before a set-up."""
        self._do(_CLEAR)  # of what was killed last
        self._do(_KEEP)
        self._do(f"stop_docker; {self.kind.original}\nstart_docker")
        original = self._do("list")
        self._do(self.kind.before)
        self._do(_SAVE)
        return original

    def _traced(self, more: Sequence[str]) -> tuple[int, str]:
        """Run the command, and fetch the log."""
        command = [*strace.command(Path(_LOG), *_STRACE), *_ALONE, *more, "dockertls-vault"]
        command += self.kind.command.split()
        status, printed = self._run(
            f"PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0 {shlex.join(command)}"
        )
        self._log.write_text(self._do(f"cat {_LOG}"))
        return status, printed

    def _problems(self, command: str) -> Iterator[str]:
        _, printed = self._run(command)
        for line in printed.splitlines():
            if line.startswith("PROBLEM "):
                yield line.removeprefix("PROBLEM ")

    def _do(self, command: str) -> str:
        return self._host.do(f"{_SHELL}\n{command}")

    def _run(self, command: str) -> tuple[int, str]:
        return self._host.run(f"{_SHELL}\n{command}")


@contextmanager
def booted(debian: images.Debian, scratch: Path) -> Iterator[Host]:
    """Boot a host on which ``run`` can kill."""
    hatch(ROOT, "build", "--target", "wheel", "--directory", str(scratch / "wheel"))
    (wheel,) = (scratch / "wheel").iterdir()
    program = packages(wheel, scratch / "program", debian)
    with (
        any_engine() as engine,
        images.host_image_of(engine, debian, scratch) as image,
        running_host(engine, image, program) as host,
    ):
        prepare(host, scratch / "strace")
        yield host


def prepare(host: Host, scratch: Path) -> None:
    """Issue the certificate of the host, and put strace there, with the libraries of here."""
    host.do("dockertls-vault ca init --allow-any-name --yes && dockertls-vault issue server")
    scratch.mkdir()
    program = strace.program()
    for path in (program, *map(Path, images.libraries([program]))):
        name = "loader" if path.name.startswith("ld-") else path.name
        shutil.copy(path, scratch / name)
    host.engine.docker("cp", f"{scratch}/.", f"{host.container}:{_STRACE_PLACE}")


def run(
    name: str,
    host: Host,
    scratch: Path,
    *,
    turn: int = 0,
    chosen: Mapping[str, int] | None = None,
) -> tuple[int, list[str]]:
    """Kill at each point of a run on ``host``; return their number and the problems.

    ``turn`` is that of the first point. ``chosen`` are the only points, as ``_named`` names them,
    with the turn of each.
    """
    daemon = Daemon(host, KINDS[name], scratch)
    points = daemon.points()
    turns = list(enumerate(points, start=turn))
    if chosen is not None:
        known = _named(points)
        turns = [(chosen[point], known[point]) for point in chosen]
    wrong = []
    for number, point in turns:
        wrong += [f"{name}, {point}: {problem}" for problem in daemon.kill(point, number)]
    return len(turns), wrong


def _named(points: Sequence[Point]) -> dict[str, Point]:
    """Name the last call of each kind in each place, and the children, counted from the last."""
    calls = {f"{point.name} {point.place}": point for point in points if point.place}
    children = [point for point in points if not point.place]
    return calls | {f"child -{n}": each for n, each in enumerate(reversed(children), start=1)}
