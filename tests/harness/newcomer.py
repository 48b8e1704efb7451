"""A shell in an isolated file system, whose changes disappear with it.

Its own mount namespace has overlays over the directories that readers of the docs write to, so
that each command can be run verbatim, as root.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .dockerd import SEARCH_PATH
from .process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

# Files written to these directories stay in $1, an empty directory; the host's list of credentials
# is empty.
_LAYERS = """\
set -e
layers=$1; shift
mount -t tmpfs none "$layers"
for name in etc opt usr/local; do
    mkdir -p "$layers/$name" "$layers/$name.work"
    mount -t overlay none -o "lowerdir=/$name,upperdir=$layers/$name,workdir=$layers/$name.work" \
        "/$name"
done
mkdir -p /var/lib/dockertls-vault
mount -t tmpfs -o mode=755 none /var/lib/dockertls-vault
exec "$@"
"""
_SHELL = ["bash", "--noprofile", "--norc"]
# The configuration of pip, which sudo would remove.
_NETWORK = {
    name: value
    for name, value in os.environ.items()
    if name.startswith("PIP_") or name.lower().endswith("_proxy")
}
_KEEP = "echo 'Defaults env_keep += \"PIP_* *_proxy *_PROXY\"' >/etc/sudoers.d/newcomer"


class Newcomer:
    """A user with a shell, which keeps its directory and variables between commands."""

    def __init__(self, shell: subprocess.Popen[str], home: Path) -> None:
        self._shell = shell
        self.home = home

    def run(self, command: str) -> tuple[int, str]:
        """Run a command, possibly of several lines; return its status and output."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        end = secrets.token_hex(8)
        # Its stdin is empty, unless the command has a here-document.
        self._shell.stdin.write(f"{{ {command}\n}} </dev/null 2>&1; echo {end} $?\n")
        self._shell.stdin.flush()
        printed = ""
        for line in self._shell.stdout:
            before, found, status = line.partition(end)
            printed += before
            if found:
                return int(status), printed
        raise AssertionError(f"the shell ended with {command!r}:\n{printed}")

    def start(self, command: str, until: str) -> str:
        """Run a command in another terminal; return its output once that contains ``until``."""
        log = self.home / f"{secrets.token_hex(4)}.log"
        log.touch()
        self.do(f"{command} >{log} 2>&1 & started+=($!)")
        wait_until(lambda: until in log.read_text() or not self._runs())
        printed = log.read_text()
        assert until in printed, f"$ {command}\n{printed}"
        return printed

    def stop(self, *, everything: bool = False) -> None:
        """End the command started last, or all of them."""
        while self.do("echo ${#started[@]}") != "0\n":
            self.do('kill "${started[-1]}"; wait "${started[-1]}"; unset "started[-1]"')
            if not everything:
                return

    def _runs(self) -> bool:
        return self.run('kill -0 "${started[-1]}"')[0] == 0

    def do(self, command: str) -> str:
        """Run a command, expect success, and return its output."""
        status, printed = self.run(command)
        assert status == 0, f"$ {command}\n{printed}"
        return printed


@contextmanager
def arriving(checkout: Path) -> Iterator[Newcomer]:
    """Run a newcomer's shell in ``checkout``, with an empty home."""
    with tempfile.TemporaryDirectory(prefix="dockertls-") as scratch:
        home, layers = Path(scratch, "home"), Path(scratch, "layers")
        home.mkdir()
        layers.mkdir()
        # Processes that still run when the shell ends are killed with it.
        own = ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
        command = [*own, "sh", "-c", _LAYERS, "sh", str(layers), *_SHELL]
        with subprocess.Popen(
            command,
            cwd=checkout,
            env={"PATH": SEARCH_PATH, "HOME": str(home), "LC_ALL": "C.UTF-8", **_NETWORK},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as shell:
            try:
                newcomer = Newcomer(shell, home)
                newcomer.do(_KEEP)
                yield newcomer
            finally:
                _close(shell.stdin)


def _close(stream: IO[str] | None) -> None:
    if stream is not None:
        stream.close()
