"""The program, as ``dockertls-vault`` and as ``python -m dockertls_vault``."""

import signal


def main() -> None:
    """Run it; a Ctrl-C while it is still being imported ends it without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli import main as program

    program.main()


if __name__ == "__main__":
    main()
