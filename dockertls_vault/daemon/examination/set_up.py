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

_FIXED = {Check.CLIENT_CA, Check.PLAINTEXT, Check.STRANGERS, Check.TRUST}
# No reason to open a port, or to replace somebody's CA, on a host that is not set up.
_RESTORED = {Check.LIVE_RESTORE}
_ISSUE = "`sudo -E dockertls-vault issue server`, then "
_CONFIGURE = "sudo dockertls-vault daemon configure"
# The title of docs/how-to/move-a-hand-made-host.md.
_GUIDE = "Move a hand-made host to Vault"
_REPLACES = (
    " (it replaces the certificate and the CA of dockerd; if clients have certificates of another "
    f"CA, follow the guide {_GUIDE!r})"
)
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
    first = "" if is_issued or is_set_up else _ISSUE
    warning = _REPLACES if in_force.tls and not is_ours else ""
    return f"run {first}`{_CONFIGURE}{options}`{warning}"


def advise(found: CheckResult, command: str, *, is_set_up: bool) -> CheckResult:
    """Return a result with ``command`` as its first remedy, if that fixes it.

    ``is_set_up`` is whether dockerd has our socket.
    """
    fixed = {check.identifier for check in (_FIXED | _RESTORED if is_set_up else _FIXED)}
    if found.remedy is None or found.check not in fixed or found.result is Result.UNREACHABLE:
        return found
    return replace(found, remedy=f"{command}; or by hand: {found.remedy}")
