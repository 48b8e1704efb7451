"""Have dockerd judge its new configuration before that is installed.

Debian 12's dockerd has no ``--validate``. There a second one starts with the same settings, apart
from all that names something of this host: in a network of its own, with its own files in a
directory that systemd removes, and without the host's containerd. systemd ends it, even if this
process is killed.
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from dockertls_vault.docker import daemon_json
from dockertls_vault.docker.flags import without
from dockertls_vault.errors import ConfigurationError, ConflictingState
from dockertls_vault.host import program, systemd

from . import units

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from .docker_service import Service

_VALIDATE = "--validate"
_LIMIT = 60.0  # seconds
# Of a service of systemd, unless its unit says otherwise: systemd.exec(5).
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_UNTOUCHED = "nothing was changed"
_PREFIX = "dockertls-trial-"
_RUN = Path("/run")
# A dockerd that has no --validate makes one at its first start, wherever its other files are.
_KEY = Path("/etc/docker/key.json")
# What would reach something of this host: its files, its networks, its devices, its containers.
_OF_THE_HOST = frozenset(
    {
        "authorization-plugins",
        "bip",
        "bridge",
        "cgroup-parent",
        "cluster-advertise",
        "cluster-store",
        "cluster-store-opts",
        "containerd",
        "containerd-namespace",
        "containerd-plugin-namespace",
        "containerd-plugins-namespace",
        "data-root",
        "default-gateway",
        "default-gateway-v6",
        "exec-root",
        "fixed-cidr",
        "fixed-cidr-v6",
        "graph",
        "group",
        "host",
        "hosts",
        "icc",
        "ip",
        "ip-forward",
        "ip-masq",
        "ip6tables",
        "iptables",
        "ipv6",
        "metrics-addr",
        "pidfile",
        "storage-driver",
        "storage-opt",
        "storage-opts",
        "userland-proxy",
        "userland-proxy-path",
        "userns-remap",
    }
)


def judge(service: Service, configuration: bytes) -> None:
    """Raise ConfigurationError, with dockerd's reason, if it would not start with this."""
    with TemporaryDirectory(prefix=_PREFIX) as place:
        file = Path(place, "daemon.json")
        file.write_bytes(configuration)
        if not _validated(service, file):
            _try(service, configuration, file)


def rejection(command: Sequence[str], limit: timedelta) -> str | None:
    """Return why dockerd would not start with this command, None if it would or cannot tell.

    Its ``--validate`` reads the configuration and the TLS files, and ends; only root can read them.
    """
    if os.geteuid() != 0:
        return None
    with suppress(OSError, subprocess.TimeoutExpired):
        given = (command[0], _VALIDATE, *command[1:])
        run = program.run(given, limit.total_seconds(), {"PATH": _PATH})
        if run.returncode and not _is_unknown(run):
            return _reason(run.stderr)
    return None


def _named(printed: str, file: Path, service: Service) -> str:
    """Return what dockerd printed, about its configuration file and not our copy."""
    return printed.replace(str(file), str(service.daemon_json))


def _validated(service: Service, file: Path) -> bool:
    """Have dockerd validate the configuration; False if it does not know how to."""
    arguments = ("--config-file", str(file), *without(service.arguments, {"config-file"}))
    try:
        run = program.run((service.program, _VALIDATE, *arguments), _LIMIT)
    except OSError as error:
        raise ConfigurationError(
            f"{service.program}, in ExecStart= of {units.SERVICE}, does not run: {error.strerror}",
            hint=_UNTOUCHED,
        ) from None
    except subprocess.TimeoutExpired:
        raise ConfigurationError(
            f"`{service.program} {_VALIDATE}` did not end within {_LIMIT:.0f} seconds",
            hint=_UNTOUCHED,
        ) from None
    if run.returncode == 0:
        return True
    if _is_unknown(run):
        return False
    raise _rejected(_named(run.stderr, file, service))


def _is_unknown(run: subprocess.CompletedProcess[str]) -> bool:
    """Tell whether this dockerd has no --validate."""
    return f"unknown flag: {_VALIDATE}" in run.stderr


def _try(service: Service, configuration: bytes, file: Path) -> None:
    """Start a second dockerd with the configuration, wait until it is ready, and end it."""
    values = daemon_json.parse(configuration).values
    kept = {key: value for key, value in values.items() if key not in _OF_THE_HOST}
    file.write_text(json.dumps(kept))
    log = file.with_name("log")
    name = file.parent.name  # which is unique: another run may have its trial at the same time
    unit = f"{name}.service"
    properties = {
        "Type": "notify",
        "NotifyAccess": "all",  # a script may start dockerd
        "TimeoutStartSec": f"{_LIMIT:.0f}",
        "RuntimeMaxSec": f"{_LIMIT:.0f}",
        "RuntimeDirectory": name,
        "PrivateNetwork": "yes",
        "PrivateMounts": "yes",
        "InaccessiblePaths": "-/run/containerd",
        "StandardError": f"file:{log}",
    }
    had_key = _KEY.exists()
    arguments = without(service.arguments, _OF_THE_HOST | {"config-file"})
    own = (*_instead(_RUN / name), "--config-file", str(file))
    try:
        systemd.run(unit, properties, (service.program, *arguments, *own))
    except ConflictingState as error:
        printed = log.read_text(errors="replace") if log.exists() else ""
        printed = _named(printed, file, service)
        raise (_rejected(printed) if printed else error) from None
    finally:
        with suppress(ConflictingState):  # it has failed, and is gone
            systemd.stop(unit)
        if not had_key:
            _KEY.unlink(missing_ok=True)


def _instead(place: Path) -> tuple[str, ...]:
    """Return the flags of a dockerd that has all that it uses in a directory of its own."""
    return (
        *("--host", f"unix://{place}/docker.sock"),
        *("--pidfile", f"{place}/docker.pid"),
        *("--data-root", f"{place}/data"),
        *("--exec-root", f"{place}/exec"),
        *("--storage-driver", "vfs"),
        *("--bridge", "none"),
        "--iptables=false",
        "--ip-forward=false",
    )


def _rejected(printed: str) -> ConfigurationError:
    """Return the error for what dockerd printed."""
    return ConfigurationError(
        f"dockerd rejects the new configuration: {_reason(printed)}", hint=_UNTOUCHED
    )


def _reason(printed: str) -> str:
    """Return the reason in what dockerd printed; of its log, that is one of the lines."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    reasons = [line for line in lines if "unable to configure" in line or "level=fatal" in line]
    return (reasons or lines or ["it gave no reason"])[-1]
