"""The unit files that hand a TCP socket to docker.service; pure.

systemd holds the port while dockerd restarts, so that no connection is refused. ``hosts`` in
daemon.json is then not needed, which would conflict with the ``-H fd://`` of every package.

The socket has no [Install] section: only a docker.service with the drop-in starts it, and systemd
closes it once there is no such service, or it is stopped. The drop-in wants and does not require
it, so that Docker starts even if the port is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockertls_vault.docker.flags import DAEMON_JSON
from dockertls_vault.errors import InvalidInput
from dockertls_vault.host import command_line, unit_file, unit_origin

from .desired import Listen, parse_listen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SERVICE = "docker.service"
SOCKET = "docker-tls.socket"
# Whatever its start limit says (StartLimitBurst=).
START = "sudo systemctl reset-failed docker && sudo systemctl start docker"
DOCTOR = "sudo dockertls-vault daemon doctor"
# The last one by its name: `ExecStartPre=` in a drop-in before it does not reset its command.
DROP_IN = f"{SERVICE}.d/zz-docker-tls.conf"
_GUARD = "ExecStartPre"
_MARK = unit_origin.mark("daemon configure", "put changes into a drop-in of your own.")

_SOCKET = """\
{mark}
[Unit]
Description=Docker API over TLS
Documentation=https://github.com/dockertls-vault/dockertls-vault
# Each start of Docker may open it again: that has its own limit.
StartLimitIntervalSec=0
# Without the drop-in, which checks for TLS, nothing needs it: systemd closes it then.
StopWhenUnneeded=true

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
# configuration opens it again. In doubt, it is closed; if it stays open, Docker does not start.
ExecStartPre=/bin/sh -c "\\
    PATH=/usr/sbin:/usr/bin:/sbin:/bin; set -f; \\
# The arguments of dockerd, and the variables that stand for more of them:
    command=$$(systemctl show --property=ExecStart --value {service}) || exit; \\
    command=$$(printf %%s \\"$$command\\" | tr -d '\\"\\\\\\\\'); \\
    names=$$(printf %%s \\"$$command\\" \\
        | grep -o ' [$$][{{]*[A-Za-z_][A-Za-z0-9_]*' | tr -d '$${{'); \\
    for name in $$names; do \\
        command=\\"$$command $$(printenv $$name)\\"; \\
    done; \\
# The files that --config-file names there, or else the default:
    files=$$(printf %%s \\"$$command\\" | tr -s '[:space:]' ' ' \\
        | grep -o -e '--config-file[= ]*[^ ;]*' | sed 's/--config-file[= ]*/=/'); \\
    for file in $${{files:-={daemon_json}}}; do \\
        file=$${{file#=}}; \\
        case $$file in '$$'*) file=$$(printenv $$(echo $$file | tr -d '$${{}}'));; esac; \\
# Each must set both at the top, once, and with no letter of their names written as an escape.
        text=$$(tr -d '[:space:]' <$$file | sed -E ':a;s/(.)[{{][^{{}}]*[}}]/\\\\1/;ta'); \\
        case $$text in \\
            ?*'{{'* | *'}}'?* | *'\\\\u00'[67]*) ;; \\
            *tlsverify*tlsverify* | *tlscacert*tlscacert*) ;; \\
            '{{'*'\\"tlsverify\\":true'[,}}]*) case $$text in \\
                '{{'*'\\"tlscacert\\":\\"/'*) continue;; esac;; \\
        esac; \\
        echo $$file does not configure TLS: closing {socket}; \\
        systemctl stop {socket}; \\
        case $$(systemctl show --property=ActiveState --value {socket}) in \\
            inactive | failed) ;; \\
            *) exit 1;; \\
        esac; \\
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
        parsed = tuple(map(parse_listen, streams))
    except InvalidInput:
        return ()
    return parsed if socket(parsed) == text else ()


def drop_in() -> bytes:
    """Return the text of the drop-in for docker.service.

    Every file that --config-file names must configure TLS, wherever that flag is set.
    """
    return _DROP_IN.format(
        mark=_MARK, socket=SOCKET, service=SERVICE, daemon_json=DAEMON_JSON
    ).encode()


def guards(text: bytes, commands: Iterable[Sequence[str]]) -> bool:
    """Tell whether the command of our drop-in, with this text, is among these.

    They are what systemd runs before a start. The text may be that of another version.
    """
    settings = unit_file.settings(text.decode(errors="replace"))
    ours = next((each.value for each in settings if each.name == _GUARD and each.value), None)
    if ours is None or not unit_origin.is_ours(text):
        return False
    # systemd resolves the specifiers, of which we have "%%" only.
    wanted = [_joined(each.value.replace("%%", "%")) for each in command_line.words(ours)]
    return any(wanted == [_joined(word) for word in command] for command in commands)


def _joined(text: str) -> str:
    """Return a text with single blanks: a continued line may begin with any number of them."""
    return " ".join(text.split())
