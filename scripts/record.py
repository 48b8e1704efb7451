"""Record the terminal session shown in the docs; run as root: ``scripts/record.py [FILE]``.

The commands really run, with dockerd and an embedded OpenBao, in their own namespaces: the host
name, network, /etc/docker and /home exist only for the recording.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import socket
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "session.svg"
COLUMNS, ROWS = 88, 50
HOST = "docker1.example.internal"
DOMAIN = "example.internal"
PORT = 2376
LOG = Path("/home/dockerd.log")
START_WAIT = 60.0  # seconds

# `dev` has already created a CA; the recording shows how to create one.
FIRST = ("bao", "secrets", "disable", "dockertls")
DOCKERD = (
    *("dockerd", "--config-file=/home/daemon.json", "--data-root=/home/data"),
    *("--exec-root=/home/run", "--pidfile=/home/pid", "--containerd-namespace=recorded"),
    *("--containerd-plugins-namespace=recorded-plugins", "--storage-driver=vfs"),
    *("--bridge=none", "--iptables=false", "--ip6tables=false", "-H", f"tcp://127.0.0.1:{PORT}"),
    *("--tlsverify", "--tlscacert=/etc/docker/tls/ca.pem"),
    *("--tlscert=/etc/docker/tls/server-cert.pem", "--tlskey=/etc/docker/tls/server-key.pem"),
)
# Like `ip link set lo up`, which not every machine has: SIOCSIFFLAGS, IFF_UP.
LOOPBACK_UP = (
    "import fcntl, socket, struct; "
    "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh', b'lo', 1))"
)
# sudo resets PATH, so the programs of this virtual environment are linked into /usr/local/bin.
MACHINE = f"""\
set -eu
hostname {HOST}
"$PROGRAMS/python" -c "{LOOPBACK_UP}"
mkdir -p /etc/docker /var/lib/dockertls-vault
for place in /etc/docker /home /usr/local/bin /var/lib/dockertls-vault; do
    mount -t tmpfs -o mode=755 none "$place"
done
echo "127.0.0.1 {HOST} localhost" >/home/hosts
mount --bind /home/hosts /etc/hosts
echo "{{}}" >/home/daemon.json
mkdir "$HOME"
for name in dockertls-vault bao; do ln -s "$PROGRAMS/$name" /usr/local/bin; done
exec dockertls-vault dev --domain {DOMAIN} --quiet -- "$@"
"""
# Rich's own template, without the font that browsers would fetch from a CDN.
DRAWING = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>A terminal session with dockertls-vault</title>
<style>
.{unique_id}-matrix {{
  font: {char_height}px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  white-space: pre;
}}
.{unique_id}-title {{ font: bold 18px sans-serif; }}
{styles}
</style>
<defs>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


@dataclass(frozen=True)
class Typed:
    """A command, and which lines of its output are shown; the others become "…"."""

    command: str
    shown: re.Pattern[str]


UNTIL_THE_DAEMON = (
    Typed(f"dockertls-vault ca init --domain {DOMAIN}", re.compile(r"- |the CA")),
    Typed(
        "sudo -E dockertls-vault issue server",
        re.compile(
            r"names|left out|subject|issuer|valid until|files| {13}0\d{3} |dockerd|configure`"
        ),
    ),
)
THE_DAEMON = (
    "# dockerd is started with these files, as `sudo dockertls-vault daemon configure` does"
)
AFTERWARDS = (
    Typed(
        "dockertls-vault issue client --name alice",
        re.compile(r"subject|valid until|files| {13}0\d{3} "),
    ),
    Typed(
        f"dockertls-vault check tcp://{HOST}:{PORT}",
        re.compile(r"result +\w+ +\w+ *$|ok  |(?! {13}\S) {8}"),
    ),
)


def main() -> None:
    """Create the namespaces, and run this program again inside them."""
    picture = Path(sys.argv[1] if len(sys.argv) > 1 else PICTURE).resolve()
    if "RECORDING" in os.environ:
        picture.write_text(recorded(), encoding="utf-8")
        return
    programs = str(Path(sys.executable).parent)
    environment = {
        "PATH": os.pathsep.join(("/usr/local/bin", os.environ["PATH"], "/usr/sbin", "/sbin")),
        "HOME": "/home/alice",
        "LC_ALL": "C.UTF-8",
        "TERM": "xterm-256color",
        "PROGRAMS": programs,
        "RECORDING": "1",
    }
    machine = ("unshare", "--mount", "--uts", "--net", "--pid", "--mount-proc", "--fork")
    subprocess.run(
        [*machine, "--kill-child", "sh", "-c", MACHINE, "sh", sys.executable, __file__, picture],
        env=environment,
        check=True,
    )


def recorded() -> str:
    """Run all commands, and return the session as SVG."""
    subprocess.run(FIRST, stdout=subprocess.DEVNULL, check=True)
    console = Console(file=io.StringIO(), width=COLUMNS, record=True, color_system="truecolor")
    for typed in UNTIL_THE_DAEMON:
        _type(console, typed)
    console.print(Text(THE_DAEMON, style="dim"), end="\n\n")
    with LOG.open("wb") as log, subprocess.Popen(DOCKERD, stderr=log) as daemon:
        _wait()
        for typed in AFTERWARDS:
            _type(console, typed)
        daemon.terminate()
    return console.export_svg(code_format=DRAWING, unique_id="session", title=HOST)


def _type(console: Console, typed: Typed) -> None:
    console.print(Text.assemble(("$ ", "green"), (typed.command, "bold")))
    lines = Text.from_ansi(_printed(typed.command)).split()
    kept = [bool(typed.shown.match(line.plain)) for line in lines]
    for line, keep, before in zip(lines, kept, [True, *kept], strict=False):
        if keep or before:
            console.print(line if keep else Text("…", style="dim"))
    console.print()


def _printed(command: str) -> str:
    """Run a command in a pseudo-terminal; return its output."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("4H", ROWS, COLUMNS, 0, 0))
    with subprocess.Popen(command.split(), stdin=its, stdout=its, stderr=its) as process:
        os.close(its)
        printed = b"".join(iter(lambda: _read(ours), b"")).decode()
    os.close(ours)
    if process.returncode != 0:
        raise SystemExit(f"{command} exited with {process.returncode}:\n{printed}")
    return printed.replace("\r\n", "\n").rstrip("\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # EIO: the other end is closed
        return b""


def _wait() -> None:
    end = time.monotonic() + START_WAIT
    while time.monotonic() < end:
        try:
            socket.create_connection((HOST, PORT)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"dockerd failed to start:\n{LOG.read_text()}")


if __name__ == "__main__":
    main()
