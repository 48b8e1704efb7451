"""A shell in a container that stays open, as `docker exec` takes a tenth of a second."""

from __future__ import annotations

import secrets
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Each command, which ends with a zero byte, has a bash of its own; its status follows its output.
_SERVE = """\
while IFS= read -r -d '' command; do
    bash -c "$command" </dev/null 2>&1
    printf '\\n%s %d\\n' "$0" $?
done
"""


class Shell:
    """Runs commands of bash, one after the other, in the container that ``enter`` leads to.

    ``enter`` is a command that runs its further arguments there, ``environ`` its own environment.
    """

    def __init__(self, enter: Sequence[str], environ: Mapping[str, str]) -> None:
        self._mark = secrets.token_hex(8)
        self._command = [*enter, "bash", "-c", _SERVE, self._mark]
        self._environ = dict(environ)
        self._process: subprocess.Popen[str] | None = None

    def run(self, command: str) -> tuple[int, str]:
        """Return the exit status and the output; of ``enter``, if that ends."""
        if self._process is None:
            self._process = self._opened()
        try:
            return self._answer(self._process, command)
        except BaseException:
            # A test that times out, for example: the rest would be read as the output of the next
            # command.
            self.close()
            raise

    def close(self) -> None:
        """End it; what still runs in the container is not waited for."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _opened(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._command,
            env=self._environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _answer(self, process: subprocess.Popen[str], command: str) -> tuple[int, str]:
        source, sink = process.stdout, process.stdin
        assert source is not None
        assert sink is not None
        sink.write(f"{command}\0")
        sink.flush()
        printed: list[str] = []
        for line in source:
            if line.startswith(self._mark):
                return int(line.split()[1]), "".join(printed)[:-1]
            printed.append(line)
        status = process.wait()
        self.close()
        return status, "".join(printed)
