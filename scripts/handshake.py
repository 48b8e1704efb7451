"""Connect an issued client to an issued server over loopback, with mutual TLS.

Used by the demo if dockerd cannot be started: ``handshake.py SERVER_DIR CLIENT_DIR`` exits with 0
if a client without a certificate is rejected and the issued one is accepted.
"""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from pathlib import Path

HOST = "localhost"
GREETING = b"hello"


def main(server: Path, client: Path) -> int:
    """Try both clients, print the results, and return the exit status."""
    known = ssl.create_default_context(cafile=str(client / "ca.pem"))
    stranger = ssl.create_default_context(cafile=str(client / "ca.pem"))
    known.load_cert_chain(client / "cert.pem", client / "key.pem")
    stranger_error = _connect(server, stranger)
    known_error = _connect(server, known)
    sys.stdout.write(f"without a certificate: {stranger_error or 'accepted'}\n")
    sys.stdout.write(f"with the client's certificate: {known_error or 'accepted'}\n")
    return 0 if stranger_error and not known_error else 1


def _connect(server: Path, context: ssl.SSLContext) -> str | None:
    """Return why the server rejected a client with ``context``, None if it accepted it."""
    listening = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(server / "ca.pem"))
    listening.verify_mode = ssl.CERT_REQUIRED
    listening.load_cert_chain(server / "server-cert.pem", server / "server-key.pem")
    with socket.create_server(("127.0.0.1", 0)) as port:
        thread = threading.Thread(target=_greet, args=(port, listening))
        thread.start()
        try:
            with (
                socket.create_connection(port.getsockname()) as plain,
                context.wrap_socket(plain, server_hostname=HOST) as secure,
            ):
                return None if secure.recv(len(GREETING)) == GREETING else "no answer"
        except OSError as error:
            return f"rejected ({getattr(error, 'reason', None) or error})"
        finally:
            thread.join()


def _greet(port: socket.socket, context: ssl.SSLContext) -> None:
    plain, _ = port.accept()
    try:
        with context.wrap_socket(plain, server_side=True) as secure:
            secure.sendall(GREETING)
    except ssl.SSLError:
        plain.close()  # the client was rejected, and received an alert


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
