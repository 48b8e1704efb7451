"""docker.service and docker-tls.socket, as systemd has them on this host now.

This is for a change: what cannot be read or understood is an error. sources.py has the arguments of
docker.service with the files that they come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.docker import flags, hosts
from dockertls_vault.errors import ConfigurationError, ConflictingState, MissingDependency
from dockertls_vault.host import command_line, environment_file, listening, processes, systemd

from . import configuration, units
from .desired import Listen
from .examination import sockets
from .running import NAME
from .set_up_files import content

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dockertls_vault.docker.flags import Flags
    from dockertls_vault.host.processes import Process

_STREAM = "Stream"
_ROOT = ("", "root", "0")


@dataclass(frozen=True)
class Service:
    """docker.service: the words of its ExecStart=, and whether it is running, or starting.

    ``state`` is its ActiveState=, for people.
    """

    command: tuple[str, ...]
    state: str

    @property
    def is_running(self) -> bool:
        """Whether dockerd runs, or is starting."""
        return self.state in systemd.RUNNING

    @property
    def program(self) -> str:
        """The path of dockerd."""
        return self.command[0]

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments of dockerd."""
        return self.command[1:]

    @property
    def flags(self) -> Flags:
        """The flags of dockerd."""
        return flags.parse(self.arguments)

    @property
    def daemon_json(self) -> Path:
        """The configuration file of dockerd, which need not exist."""
        return self.flags.daemon_json


def read(*, required: bool = True) -> Service:
    """Return docker.service as systemd would start it.

    Raises MissingDependency if systemd cannot start it, unless it is not ``required``, and
    ConfigurationError if what it runs, or its environment file, cannot be understood.
    """
    loaded, state = systemd.properties(units.SERVICE, "Unit", "LoadState", "ActiveState")
    if loaded != "loaded" and not required:
        return Service((), state)
    if loaded == "masked":
        raise MissingDependency(
            f"{units.SERVICE} is masked", hint=f"run `sudo systemctl unmask {units.SERVICE}`"
        )
    if loaded != "loaded":
        raise MissingDependency(
            f"{units.SERVICE} cannot be started: {loaded}",
            hint="install Docker from the packages of Debian or of Docker",
        )
    commands, variables, sources = systemd.properties(
        units.SERVICE, "Service", "ExecStart", "Environment", "EnvironmentFiles"
    )
    if len(commands) != 1:
        raise ConfigurationError(
            f"{units.SERVICE} has no single ExecStart=",
            hint=f"give it exactly one: sudo systemctl edit {units.SERVICE}",
        )
    parsed = (environment_file.parse(content(Path(path)) or b"") for path, _ in sources)
    environment = environment_file.environment(variables, parsed)
    return Service(command_line.expand(commands[0][1], environment), state)


def refuse_confined() -> None:
    """Raise ConflictingState if systemd starts dockerd as another user, or in another root.

    It could not read the key then, or it would look for the files elsewhere.
    """
    names = ("User", "RootDirectory", "RootImage")
    values = systemd.properties(units.SERVICE, "Service", *names)
    allowed = (_ROOT, ("", "/"), ("",))
    confined = tuple(
        f"{name}={value}"
        for name, value, usual in zip(names, values, allowed, strict=True)
        if value not in usual
    )
    if confined:
        raise ConflictingState(
            f"{units.SERVICE} does not start dockerd as root in the root directory of this host",
            problems=confined,
            hint=f"remove these settings (sudo systemctl edit --full {units.SERVICE}), or set this "
            "dockerd up yourself: see --print",
        )


def engine_socket(service: Service) -> Path:
    """Return the Unix socket at which dockerd serves its API, by its flags and daemon.json.

    Raises ConflictingState if it runs and has none. A file that cannot be read is reported later.
    """
    settings = configuration.read(service.arguments, None).settings
    handed = streams() if any(map(hosts.is_fd, settings.hosts)) else ()
    expected = sockets.expected_unix(settings.hosts, handed)
    if service.is_running and not expected:
        raise ConflictingState(
            f"dockerd has no Unix socket, only {', '.join(settings.hosts)}",
            hint="add `-H fd://` to its flags, or `fd://` to hosts in daemon.json if they are "
            "there, run `sudo systemctl daemon-reload && sudo systemctl restart docker.socket "
            f"{units.SERVICE}`, which stops containers unless live-restore is on; then try again",
        )
    return expected[0] if expected else hosts.DEFAULT_SOCKET


def streams() -> tuple[str, ...]:
    """Return what the sockets that systemd hands to docker.service listen on: ListenStream=."""
    return tuple(stream for name in _triggers() for stream in _streams(name))


def is_stale() -> bool:
    """Tell whether systemd has yet to read our unit files, or to open the socket again."""
    return systemd.state(units.SERVICE).stale or systemd.state(units.SOCKET).stale


def is_listening() -> bool:
    """Tell whether systemd listens at docker-tls.socket."""
    return systemd.state(units.SOCKET).active


def is_open(listens: Iterable[Listen]) -> bool:
    """Tell whether each of these is open; an active socket is closed if a drop-in moves it."""
    return all(
        any(listen.is_opened_as(each.address) for each in listening.on_port(listen.port))
        for listen in listens
    )


def has_our_socket() -> bool:
    """Tell whether docker-tls.socket is one for docker.service, open or not.

    The service does not say so if its drop-in is missing: systemd forgets a socket that is closed.
    """
    (started,) = systemd.properties(units.SOCKET, "Unit", "Triggers")
    return units.SERVICE in started


def is_guarded() -> bool:
    """Tell whether systemd runs the check of our drop-in before it starts dockerd."""
    text = content(systemd.UNITS / units.DROP_IN)
    (commands,) = systemd.properties(units.SERVICE, "Service", "ExecStartPre")
    return text is not None and units.guards(text, [argv for _, argv, *_ in commands])


def main_pid() -> int:
    """Return the PID of the dockerd that runs, 0 if none does."""
    (pid,) = systemd.properties(units.SERVICE, "Service", "MainPID")
    return int(pid)


def listens() -> tuple[Listen, ...]:
    """Return where the dockerd that runs listens, by itself or with what systemd passed to it."""
    try:
        listeners = listening.of_process(main_pid())
    except (FileNotFoundError, ProcessLookupError):  # it has ended, or does not run
        return ()
    return tuple(Listen(each.address, each.port) for each in listeners)


def is_held() -> bool:
    """Tell whether the dockerd that runs was started with docker-tls.socket: sd_listen_fds(3)."""
    process = processes.read(main_pid())
    return process is not None and holds_our_socket(process)


def holds_our_socket(process: Process) -> bool:
    """Tell whether a process was started with docker-tls.socket; only root sees that it was."""
    return units.SOCKET in (process.environ or {}).get("LISTEN_FDNAMES", "").split(":")


def can_reload() -> bool:
    """Tell whether a SIGHUP to docker.service is one to dockerd, or nothing runs.

    A script that started dockerd, and has not been replaced by it (exec), would end.
    """
    pid = main_pid()
    return pid == 0 or processes.is_named(pid, NAME)


def _triggers() -> tuple[str, ...]:
    (names,) = systemd.properties(units.SERVICE, "Unit", "TriggeredBy")
    return tuple(names)


def _streams(name: str) -> Iterator[str]:
    if name.endswith(".socket"):
        (listen,) = systemd.properties(name, "Socket", "Listen")
        yield from (address for kind, address in listen if kind == _STREAM)
