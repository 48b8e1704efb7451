"""The settings of a dockerd: which of them are in force, and whether they are safe; pure."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any

from dockertls_vault.docker import hosts, swarm
from dockertls_vault.docker.diagnosis.causes import ACCEPTS_STRANGERS
from dockertls_vault.docker.diagnosis.remedies import ALL_FOUR
from dockertls_vault.docker.diagnosis.report import Result
from dockertls_vault.docker.handshake.outcome import Engine, listed

from .checks import Check

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from cryptography.x509 import Name

    from dockertls_vault.docker.diagnosis.report import CheckResult
    from dockertls_vault.docker.flags import Flags

# What SIGHUP applies to a running daemon (moby, daemon/reload.go); everything else needs a restart.
_RELOADED = frozenset(
    {
        "allow-nondistributable-artifacts",
        "authorization-plugins",
        "debug",
        "default-runtime",
        "features",
        "insecure-registries",
        "labels",
        "live-restore",
        "max-concurrent-downloads",
        "max-concurrent-uploads",
        "max-download-attempts",
        "registry-mirrors",
        "runtimes",
        "shutdown-timeout",
    }
)
# The objects whose keys are not settings (moby, daemon/config: flatOptions).
_FLAT = frozenset(
    {
        "builder",
        "cluster-store-opts",
        "default-network-opts",
        "default-ulimits",
        "features",
        "log-opts",
        "runtimes",
    }
)
# Where systemd starts a service, unless its unit says otherwise.
_WORKING_DIRECTORY = PurePosixPath("/")
# Of root, if a service has no HOME.
_HOME = "/root"
_STRANGERS = ACCEPTS_STRANGERS[Engine.DOCKER].reason


@dataclass(frozen=True)
class Settings:
    """What a dockerd goes by; ``tlscacert`` None stands for the CAs of the system."""

    hosts: tuple[str, ...]
    tls: bool
    tlsverify: bool
    tlscacert: PurePosixPath | None
    tlscert: PurePosixPath | None
    tlskey: PurePosixPath | None
    live_restore: bool


def in_force(flags: Flags, values: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """Return the settings of a dockerd with these flags, daemon.json and environment.

    The paths of the TLS files have defaults only if a flag (or DOCKER_TLS_VERIFY) turns TLS on
    (moby, cmd/dockerd/options.go): with ``tlsverify`` in daemon.json alone, tlscacert is empty.
    """
    folder = PurePosixPath(
        environ.get("DOCKER_CERT_PATH") or f"{environ.get('HOME') or _HOME}/.docker"
    )
    by_environment = bool(environ.get("DOCKER_TLS_VERIFY"))
    by_flag = by_environment or flags.tls is not None or flags.tlsverify is not None

    def path(flag: str | None, key: str, default: str) -> PurePosixPath | None:
        found = flag or values.get(key)
        if isinstance(found, str) and found and _is_name(found):
            return _WORKING_DIRECTORY / found
        return folder / default if by_flag else None

    verify = values.get("tlsverify", flags.tlsverify)
    tls = hosts.serves_tls(flags, values, environ)
    return Settings(
        hosts=hosts.in_force((*flags.hosts, *_texts(values.get("hosts"))), tls=tls),
        tls=tls,
        tlsverify=by_environment if verify is None else bool(verify),
        tlscacert=path(flags.tlscacert, "tlscacert", "ca.pem"),
        tlscert=path(flags.tlscert, "tlscert", "cert.pem"),
        tlskey=path(flags.tlskey, "tlskey", "key.pem"),
        live_restore=bool(values.get("live-restore", flags.live_restore)),
    )


def configures_tls(values: Mapping[str, Any]) -> bool:
    """Tell whether daemon.json alone has what our socket may not be open without (units.py)."""
    return values.get("tlsverify") is True and bool(values.get("tlscacert"))


def judge_client_ca(
    settings: Settings,
    named: Sequence[Name] | str,
    public: Collection[Name],
    *,
    on_tcp: bool | None,
) -> CheckResult:
    """Judge which clients the settings allow.

    ``named`` are the CAs in tlscacert, or why they are unknown; ``on_tcp`` is whether dockerd has a
    TCP socket, None if that is unknown.
    """
    found = Check.CLIENT_CA.found
    if not settings.tls:
        if on_tcp:
            return found(Result.CRITICAL, "TCP sockets, and no TLS at all", _STRANGERS, ALL_FOUR)
        summary = "no TLS, and no TCP socket" if on_tcp is False else "no TLS"
        return found(Result.OK, summary)
    # Without a socket to connect to, what is wrong takes effect with the first one.
    grave = Result.WARNING if on_tcp is False else Result.CRITICAL
    if not settings.tlsverify:
        return found(
            grave, "TLS without tlsverify: no client needs a certificate", _STRANGERS, ALL_FOUR
        )
    if settings.tlscacert is None:
        return found(
            grave,
            "tlsverify without tlscacert",
            "dockerd accepts a client certificate of any CA that this host trusts, public ones "
            "included",
            "set tlscacert in daemon.json to your client CA, and restart dockerd",
        )
    if isinstance(named, str):
        return Check.CLIENT_CA.skipped(named)
    if too_wide := [name for name in named if name in public]:
        return found(
            grave,
            f"{settings.tlscacert} holds public CAs: {listed(too_wide)}",
            "anyone with a client certificate of a public CA is root on this host",
            "set tlscacert to your client CA only, and restart dockerd",
        )
    return found(Result.OK, f"only clients of {listed(named)} ({settings.tlscacert})")


def judge_clash(flags: Flags, values: Mapping[str, Any], file: PurePath) -> CheckResult:
    """Judge whether dockerd starts with these flags and the values in daemon.json, ``file``."""
    written = frozenset(_keys(values))
    both = [key for key in flags.keys if key in written]
    if both:
        packaged = f": with -H fd:// in docker.service, remove hosts from {file}"
        return Check.CLASH.found(
            Result.ERROR,
            f"both as a flag and in {file}: {', '.join(both)}",
            "dockerd refuses to start with a setting in both places, even if the values agree",
            f"keep each in one of them{packaged if 'hosts' in both else ''}",
        )
    return Check.CLASH.found(Result.OK, "no setting is both a flag and in daemon.json")


def judge_pending(
    process: Flags,
    unit: Flags | None,
    values: Mapping[str, Any],
    *,
    is_newer: bool,
    is_unit_stale: bool,
    file: PurePath,
) -> CheckResult:
    """Judge whether the configuration has changed since dockerd started.

    ``process`` are the flags that it was started with, ``unit`` those of its next start, if known;
    ``is_newer`` is whether ``file``, daemon.json, with these ``values``, was written since.
    """
    changes = []
    if is_unit_stale:
        changes.append("systemd has not read the unit files again since they changed")
    if unit is not None and unit != process:
        changes.append("docker.service starts dockerd with other flags than it has now")
    waiting = sorted(values.keys() - _RELOADED) if is_newer else []
    if waiting:
        changes.append(f"{file} was written after dockerd started, and has {', '.join(waiting)}")
    if changes:
        return Check.PENDING.found(
            Result.WARNING,
            "; ".join(changes),
            "these changes may not be in effect: a reload does not apply them",
            "restart dockerd"
            if unit is None
            else "sudo systemctl daemon-reload && sudo systemctl restart docker",
        )
    return Check.PENDING.found(Result.OK, "nothing waits for a restart")


def judge_live_restore(
    info: Mapping[str, Any] | str,
    removed: Sequence[str],
    *,
    assumed: bool | None,
    by_systemd: bool,
) -> CheckResult:
    """Judge live-restore: as dockerd reports it in ``info``, or as its settings have it.

    ``info`` is a text if dockerd could not be asked: why. ``removed`` are the containers that a
    restart removes all the same. ``assumed`` is None if the settings are not known either;
    ``by_systemd`` is whether systemd starts dockerd.
    """
    found = Check.LIVE_RESTORE.found
    answer: Mapping[str, Any] = {} if isinstance(info, str) else info
    if swarm.is_node(answer):
        return found(Result.OK, "part of a swarm, which has no live-restore")
    if "name=rootless" in _texts(answer.get("SecurityOptions")):
        return found(
            Result.OK, "rootless: its containers stop with RootlessKit, live-restore or not"
        )
    reported = answer.get("LiveRestoreEnabled")
    is_known = isinstance(reported, bool)
    on, source = (reported, "") if is_known else (assumed, ", by its settings")
    if on is None:
        return Check.LIVE_RESTORE.skipped(str(info))
    if on and removed:
        return found(
            Result.WARNING,
            f"live-restore is on, but does not keep {', '.join(removed)}: started with --rm",
            "Docker before 24.0.8 stops and removes them when dockerd restarts, as after each "
            "renewal",
            "upgrade Docker, or start them without --rm",
        )
    if on:
        return found(Result.OK, f"live-restore is on{source}")
    return found(
        Result.WARNING,
        f"live-restore is off{source}",
        "every container stops when dockerd restarts, as after each renewal",
        'set "live-restore": true in daemon.json, then reload: '
        + ("sudo systemctl reload docker" if by_systemd else "send SIGHUP to dockerd"),
    )


def _keys(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys that dockerd compares with its flags: it looks into most objects."""
    for key, value in values.items():
        if isinstance(value, dict) and key not in _FLAT:
            yield from value
        else:
            yield key


def _texts(value: object) -> tuple[str, ...]:
    texts = map(str, value) if isinstance(value, list) else ()
    return tuple(text for text in texts if _is_name(text))


def _is_name(text: str) -> bool:
    """Tell whether the system can have a file of this name: JSON has texts that it cannot."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False
