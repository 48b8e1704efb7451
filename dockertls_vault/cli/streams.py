"""stdout and stderr that whoever reads them may leave before the end."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from typing_extensions import Buffer  # of collections.abc from Python 3.12


def outlive_readers() -> None:
    """Have what is written go nowhere once its reader has gone, as in ``check | head -1``.

    What a command does is done by then, and its status is to say how that went: not 141 as by
    SIGPIPE, nor typer's 1, which is a warning of ``check``.
    """
    sys.stdout, sys.stderr = _outliving(sys.stdout), _outliving(sys.stderr)


class _Pipe(io.FileIO):
    """A descriptor to write to, with a reader or without."""

    def write(self, data: Buffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes


def _outliving(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):  # None where the caller closed it
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(_Pipe(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
