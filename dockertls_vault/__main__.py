"""The program, as ``dockertls-vault`` and as ``python -m dockertls_vault``."""

import gc
import signal

# A short command makes some 60,000; Python would look for garbage after each 700 of them.
_OBJECTS_BETWEEN_COLLECTIONS = 100_000


def main() -> None:
    """Run it; a Ctrl-C while it is still being imported ends it without a traceback.

    Looking for garbage would be more than a tenth of a short command's time, most of it while
    modules are imported, which leave none (docs/reference/performance.md).
    """
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli import main as program

    program.main()


if __name__ == "__main__":
    main()
