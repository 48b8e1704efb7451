"""Standard streams that cope with closed descriptors, full disks and broken pipes.

Writing never raises. By the time a command prints its result the work is done, and the exit status
must report on that work; a write error is recorded and checked at exit.
"""

from __future__ import annotations

import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO, cast

if TYPE_CHECKING:
    from typing_extensions import Buffer  # of collections.abc from Python 3.12

_MODES = ("r", "w", "w")


class Sink(io.FileIO):
    """A file descriptor for output; after its first ``failure`` further output is discarded.

    A broken pipe, as in ``check | head -1``, is not a failure: the exit status is neither 141
    (SIGPIPE) nor typer's 1, which ``check`` uses for warnings.
    """

    failure: OSError | None = None
    _unread = False

    def write(self, data: Buffer, /) -> int:
        whole = memoryview(data).nbytes
        if self.failure is not None or self._unread:
            return whole
        try:
            while (written := cast("int | None", super().write(data))) is None:
                self._wait()
        except BrokenPipeError:
            self._unread = True
        except OSError as error:
            self.failure = error
        else:
            return written
        return whole

    def _wait(self) -> None:
        """Wait until a descriptor that was made non-blocking accepts more output."""
        poll = select.poll()
        poll.register(self, select.POLLOUT)
        poll.poll()


def take_over() -> Sink:
    """Replace Python's standard streams with ones that cannot fail; return stdout's descriptor.

    A descriptor that the caller closed is opened on /dev/null, so that no file or connection gets
    its number and then our output. Characters that the encoding lacks are escaped.
    """
    for number, mode in enumerate(_MODES):
        _fill(number, mode)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - stays open until the process exits
    cast("io.TextIOWrapper", sys.stdin).reconfigure(errors="replace")
    stdout, stderr = (Sink(number, "w", closefd=False) for number in (1, 2))
    sys.stdout, sys.stderr = _text(stdout, sys.stdout), _text(stderr, sys.stderr)
    return stdout


def write(stream: TextIO | None, text: str) -> None:
    """Write and flush; Python has no stream (None) if the caller closed the descriptor."""
    if stream is not None:
        stream.write(text)
        stream.flush()


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether the stream is a terminal."""
    return stream is not None and stream.isatty()


def is_styled(stream: TextIO | None) -> bool:
    """Return whether to use colors, bold type and a spinner on the stream."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return is_terminal(stream) and not plain


def _fill(number: int, mode: str) -> None:
    try:
        os.fstat(number)
    except OSError:
        # open(2) returns the lowest free descriptor, which is this one.
        os.open(os.devnull, os.O_RDONLY if mode == "r" else os.O_WRONLY)


def _text(sink: Sink, stream: TextIO | None) -> io.TextIOWrapper:
    """Return a text stream on ``sink`` with the encoding and buffering of ``stream``."""
    made = stream if isinstance(stream, io.TextIOWrapper) else None
    return io.TextIOWrapper(
        io.BufferedWriter(sink),
        encoding=made.encoding if made else "utf-8",
        errors="backslashreplace",
        line_buffering=made.line_buffering if made else False,
        write_through=made.write_through if made else False,
    )
