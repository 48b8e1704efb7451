"""The unit files that hand a TCP socket to docker.service; pure.

systemd holds the port while dockerd restarts, so that no connection is refused. ``hosts`` in
daemon.json is then not needed, which would conflict with the ``-H fd://`` of every package.

The socket has no [Install] section: only a docker.service with the drop-in starts it. The drop-in
wants and does not require it, so that Docker starts even if the port is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockertls_vault.docker.flags import DAEMON_JSON
from dockertls_vault.errors import InvalidInput

from .desired import Listen, parse_listen

if TYPE_CHECKING:
    from collections.abc import Iterable

SERVICE = "docker.service"
SOCKET = "docker-tls.socket"
DROP_IN = f"{SERVICE}.d/docker-tls.conf"
# How each file begins, by which we recognize our own; the rest of its first line may change.
_AUTHOR = "# Written by `dockertls-vault daemon configure`"
_MARK = f"{_AUTHOR}: put changes into a drop-in of your own."

_SOCKET = """\
{mark}
[Unit]
Description=Docker API over TLS
Documentation=https://github.com/dockertls-vault/dockertls-vault

[Socket]
{streams}
# A port alone is that of IPv6 and IPv4, whatever net.ipv6.bindv6only is.
BindIPv6Only=both
# The network may come up later.
FreeBind=true
Service={service}
"""
# Until ExecStartPre= has ended, systemd does not collect the sockets that it passes. It skips the
# comments among continued lines (systemd.syntax(7)), and "$$" is the shell's dollar sign.
_DROP_IN = """\
{mark}
[Service]
Sockets={socket}
# On a socket from systemd, a dockerd without TLS settings serves its API in plaintext, without a
# warning, and one without tlscacert serves it to clients of every public CA. So this closes the
# socket before such a dockerd starts, which then runs without it. The next start with a complete
# configuration opens it again.
ExecStartPre=-/bin/sh -c "\\
# The files that --config-file names, in ExecStart= or in a variable, or else the default:
    files=$$( \\
        {{ systemctl show --property=ExecStart --value {service}; env; }} \\
        | grep -o -e '--config-file[ =][^ ;]*' \\
        | cut -c 15- \\
    ); \\
    for file in $${{files:-{daemon_json}}}; do \\
# Each must set both; JSON may have blanks around the colon.
        grep -q 'tlsverify.[[:space:]]*:[[:space:]]*true' $$file \\
        && grep -q 'tlscacert.[[:space:]]*:[[:space:]]*\\"[^\\"]' $$file \\
        && continue; \\
        echo $$file does not configure TLS: closing {socket}; \\
        systemctl stop {socket}; \\
    done"
"""


def socket(listens: Iterable[Listen]) -> bytes:
    """Return the text of docker-tls.socket."""
    streams = "\n".join(f"ListenStream={listen.stream}" for listen in listens)
    return _SOCKET.format(mark=_MARK, streams=streams, service=SERVICE).encode()


def listens(text: bytes) -> tuple[Listen, ...]:
    """Return where this docker-tls.socket listens; empty if the text is not what we write."""
    lines = text.decode(errors="replace").splitlines()
    streams = (line.partition("=")[2] for line in lines if line.startswith("ListenStream="))
    try:
        found = tuple(map(parse_listen, streams))
    except InvalidInput:
        return ()
    return found if socket(found) == text else ()


def drop_in() -> bytes:
    """Return the text of the drop-in for docker.service.

    Every file that --config-file names must configure TLS, wherever that flag is set.
    """
    return _DROP_IN.format(
        mark=_MARK, socket=SOCKET, service=SERVICE, daemon_json=DAEMON_JSON
    ).encode()


def is_ours(text: bytes) -> bool:
    """Tell whether we have written this unit file."""
    return text.startswith(_AUTHOR.encode())
