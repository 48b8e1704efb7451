"""The entry point of ``dockertls-vault`` and ``python -m dockertls_vault``."""

import gc
import os
import signal
import sys

# A short command allocates about 60,000 objects; Python's default is to collect every 700.
_OBJECTS_BETWEEN_COLLECTIONS = 100_000


def main() -> None:
    """Run the program; Ctrl-C during its imports exits without a traceback.

    Garbage collection would take over a tenth of a short command's time, mostly during imports,
    which leave no garbage (docs/reference/performance.md).
    """
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.argv[1:2] == ["needs-renewal"]:
        _answer_quickly(sys.argv[2:])
    from .cli import main as program

    program.main()


def _answer_quickly(arguments: list[str]) -> None:
    """Exit with the answer of `needs-renewal`, unless the rest of the program is needed for it."""
    from .cli import tick

    status = tick.run(arguments, os.environ)
    if status is not None:
        os._exit(status)


if __name__ == "__main__":
    main()
