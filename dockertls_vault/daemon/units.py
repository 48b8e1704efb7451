"""The unit files that hand a TCP socket to docker.service; pure.

systemd holds the port while dockerd restarts, so that no connection is refused. ``hosts`` in
daemon.json is then not needed, which would conflict with the ``-H fd://`` of every package.

The socket has no [Install] section: only a docker.service with the drop-in starts it. The drop-in
wants and does not require it, so that Docker starts even if the port is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .desired import DAEMON_JSON

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .desired import Listen

SERVICE = "docker.service"
SOCKET = "docker-tls.socket"
DROP_IN = f"{SERVICE}.d/docker-tls.conf"
# The first line of each file, by which we recognize our own.
MARK = "# Written by `dockertls-vault daemon configure`: put changes into a drop-in of your own."

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
# Until ExecStartPre= has ended, systemd does not collect the sockets that it passes.
_DROP_IN = """\
{mark}
[Service]
Sockets={socket}
# Without TLS in its configuration, dockerd serves this socket in plaintext, without a warning; and
# without tlscacert, to clients of every public CA.
ExecStartPre=-/bin/sh -c "\\
for file in $$({{ systemctl show --property=ExecStart --value {service}; env; }} \\
| {{ grep -o -e '--config-file[ =][^ ;]*' || echo '--config-file={daemon_json}'; }} \\
| cut -c 15-); do \\
grep -q 'tlsverify.[[:space:]]*:[[:space:]]*true' \\"$$file\\" \\
&& grep -q 'tlscacert.[[:space:]]*:[[:space:]]*\\"[^\\"]' \\"$$file\\" \\
|| {{ echo \\"$$file does not configure TLS: closing {socket}\\"; systemctl stop {socket}; }}; done"
"""


def socket(listens: Iterable[Listen]) -> bytes:
    """Return the text of docker-tls.socket."""
    streams = "\n".join(f"ListenStream={listen.stream}" for listen in listens)
    return _SOCKET.format(mark=MARK, streams=streams, service=SERVICE).encode()


def drop_in() -> bytes:
    """Return the text of the drop-in for docker.service.

    Every file that --config-file names must configure TLS, wherever that flag is set.
    """
    return _DROP_IN.format(
        mark=MARK, socket=SOCKET, service=SERVICE, daemon_json=DAEMON_JSON
    ).encode()


def is_ours(text: bytes) -> bool:
    """Tell whether we have written this unit file."""
    return text.startswith(MARK.encode())
