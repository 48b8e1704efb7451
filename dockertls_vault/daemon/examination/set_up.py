"""Which findings `daemon configure` fixes, and how it is run for the settings of a host; pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dockertls_vault.docker import hosts
from dockertls_vault.docker.diagnosis.report import Result
from dockertls_vault.docker.flags import TLS

from . import settings, sockets
from .checks import Check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockertls_vault.docker.diagnosis.report import CheckResult
    from dockertls_vault.docker.flags import Flags

    from .settings import Settings

# live-restore is no reason to open a port, so it counts with TLS.
_FIXED = {Check.CLIENT_CA, Check.PLAINTEXT, Check.STRANGERS, Check.TRUST, Check.LIVE_RESTORE}
_ISSUE = "`sudo -E dockertls-vault issue server`, then "
_CONFIGURE = "sudo dockertls-vault daemon configure"
# Of Docker without TLS.
_PLAINTEXT = 2375


def command(
    flags: Flags,
    values: Mapping[str, Any],
    in_force: Settings,
    *,
    is_set_up: bool,
    is_issued: bool,
) -> str:
    """Return what to run for a dockerd with these flags and ``values`` in daemon.json.

    ``is_set_up`` is whether it has our socket, ``is_issued`` whether the host has a credential.
    """
    is_ours = is_set_up and settings.configures_tls(values)
    is_on_tcp = any(map(hosts.is_tcp, in_force.hosts))
    clashes = (
        is_on_tcp
        or not any(map(hosts.is_fd, in_force.hosts))
        or any(getattr(flags, name) is not None for name in TLS)
        or (not is_ours and not values.keys().isdisjoint(TLS))
    )
    ports = {each.port for each in sockets.expected_tcp(in_force.hosts, ())}
    options = " --take-over" if clashes else ""
    options += " --listen 2376" if _PLAINTEXT in ports else ""
    return f"run {'' if is_issued or is_set_up else _ISSUE}`{_CONFIGURE}{options}`"


def advise(found: CheckResult, command: str, *, tls: bool) -> CheckResult:
    """Return a result with ``command`` as its first remedy, if that fixes it.

    ``tls`` is whether dockerd serves TLS now.
    """
    fixed = {check.identifier for check in _FIXED if tls or check is not Check.LIVE_RESTORE}
    if found.remedy is None or found.check not in fixed or found.result is Result.UNREACHABLE:
        return found
    return replace(found, remedy=f"{command}; or by hand: {found.remedy}")
