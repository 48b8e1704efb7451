"""The entry point of ``dockertls-vault`` and ``python -m dockertls_vault``."""

import gc
import signal

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
    from .cli import main as program

    program.main()


if __name__ == "__main__":
    main()
