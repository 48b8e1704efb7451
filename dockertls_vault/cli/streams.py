"""stdin, stdout and stderr, whatever they are: closed, full, or a pipe whose reader has gone.

Nothing that is written raises. What a command does is done by then, and its status is to say how
that went: a failure to say so is remembered, and looked at in the end.
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
    """A descriptor to write to; from its first ``failure`` on, what is written goes nowhere.

    A reader who has gone, as in ``check | head -1``, is no failure: not 141 as by SIGPIPE, nor
    typer's 1, which is a warning of ``check``.
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
        """Wait until a descriptor that somebody made non-blocking takes more."""
        poll = select.poll()
        poll.register(self, select.POLLOUT)
        poll.poll()


def take_over() -> Sink:
    """Put streams in the place of Python's that cannot fail; return what is behind stdout.

    A descriptor that the caller closed becomes /dev/null, before a file or a connection gets its
    number, and with it what is said. What an encoding cannot hold is escaped.
    """
    for number, mode in enumerate(_MODES):
        _fill(number, mode)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - a descriptor, for as long as we run
    cast("io.TextIOWrapper", sys.stdin).reconfigure(errors="replace")
    stdout, stderr = (Sink(number, "w", closefd=False) for number in (1, 2))
    sys.stdout, sys.stderr = _text(stdout, sys.stdout), _text(stderr, sys.stderr)
    return stdout


def write(stream: TextIO | None, text: str) -> None:
    """Write at once; Python has no stream where the caller closed it, and nobody listens."""
    if stream is not None:
        stream.write(text)
        stream.flush()


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a person is at the other end."""
    return stream is not None and stream.isatty()


def is_styled(stream: TextIO | None) -> bool:
    """Tell whether the stream gets colours, bold type and a spinner."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return is_terminal(stream) and not plain


def _fill(number: int, mode: str) -> None:
    try:
        os.fstat(number)
    except OSError:
        # The lowest number that is free is this one.
        os.open(os.devnull, os.O_RDONLY if mode == "r" else os.O_WRONLY)


def _text(sink: Sink, stream: TextIO | None) -> io.TextIOWrapper:
    """Return a text stream on ``sink`` that is as Python made ``stream``."""
    made = stream if isinstance(stream, io.TextIOWrapper) else None
    return io.TextIOWrapper(
        io.BufferedWriter(sink),
        encoding=made.encoding if made else "utf-8",
        errors="backslashreplace",
        line_buffering=made.line_buffering if made else False,
        write_through=made.write_through if made else False,
    )
