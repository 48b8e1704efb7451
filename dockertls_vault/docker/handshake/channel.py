"""A TLS client connection that reports everything the server showed.

Python's ssl module does not report the CAs that a server names, nor its certificate if the
handshake fails, and it stops at the first verification error. pyOpenSSL reports all of it, for one
and the same connection.
"""

from __future__ import annotations

import select
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from OpenSSL import SSL, crypto

from .authorities import read_authorities
from .outcome import Alerted, Closed, Greeting, NotTLS, Objection

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from cryptography.x509 import Certificate

    from dockertls_vault.certificate.keys import PrivateKey

    from .outcome import Outcome

T = TypeVar("T")

# Only ciphers with forward secrecy, as in TLS 1.3: in TLS 1.2 the server's signature over the key
# exchange then proves that it holds its certificate's key before it judges our certificate.
_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:DHE+AES:!aNULL:!PSK:@SECLEVEL=2"
# OpenSSL's SSL_MODE_NO_AUTO_CHAIN: send the chain in cert.pem, as docker does, not one that is
# completed from ca.pem.
_NO_AUTO_CHAIN = 0x8
# OpenSSL's names for the states in which a client has read a CertificateRequest, and (in TLS 1.2)
# everything that a server sends before it receives the client's certificate.
_CERTIFICATE_REQUESTED = b"SSLv3/TLS read server certificate request"
_SERVER_DONE = b"SSLv3/TLS read server done"
# OpenSSL's codes (X509_V_ERR_CERT_HAS_EXPIRED and the like) in words.
_WORDS = {
    code: name.removeprefix("ERR_").replace("_", " ").lower()
    for name, code in vars(SSL.X509VerificationCodes).items()
    if name.startswith("ERR_")
}
_BLOCK = 64 * 1024
# Seconds; a timeout of zero would make the socket non-blocking.
SHORTEST_TIMEOUT = 0.01


@dataclass(frozen=True)
class ClientCertificate:
    """A client certificate with the intermediates that are sent along, and its private key."""

    chain: tuple[Certificate, ...]
    key: PrivateKey


@dataclass(frozen=True)
class Hello:
    """How we connect: with or without a certificate, and the roots that verify the server."""

    identity: ClientCertificate | None = None
    roots: tuple[Certificate, ...] = ()


class UnusableClientCertificate(Exception):
    """OpenSSL cannot use a certificate or its key; the message is its reason."""


class ChannelFault(OSError):
    """A connection ended; ``outcome`` is what that means."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(str(outcome))
        self.outcome = outcome


def require_usable(identity: ClientCertificate) -> None:
    """Raise UnusableClientCertificate if OpenSSL rejects it, e.g. because the key is too short."""
    try:
        _present(SSL.Context(SSL.TLS_CLIENT_METHOD), identity)
    except SSL.Error as error:
        raise UnusableClientCertificate(_reason(error)) from None
    except TypeError as error:  # a key that cannot sign
        raise UnusableClientCertificate(str(error)) from None


class Channel:
    """TLS 1.2 or later over ``connection``.

    Verification errors do not end the connection; the greeting has them. Like Go, it does not
    send our certificate if the server requests it only after the handshake. Its methods raise
    OSError: ChannelFault, TimeoutError, or an error of the socket.
    """

    def __init__(self, connection: socket.socket, hello: Hello, server_name: str | None) -> None:
        self._socket = connection
        self._states: set[bytes] = set()
        self._objections: list[Objection] | None = None
        self._is_done = False
        self._held = b""
        self._tls = SSL.Connection(self._context(hello), None)
        if server_name is not None:
            self._tls.set_tlsext_host_name(server_name.encode())
        self._tls.set_connect_state()

    def _context(self, hello: Hello) -> SSL.Context:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_cipher_list(_CIPHERS)
        context.set_options(SSL.OP_NO_RENEGOTIATION)
        context.set_mode(_NO_AUTO_CHAIN)
        context.set_info_callback(lambda tls, _where, _code: self._note_state(tls))
        if hello.identity is not None:
            _present(context, hello.identity)
        if hello.roots and (store := context.get_cert_store()):
            # Like Go, accept an intermediate in ca.pem as a root.
            store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
            for root in hello.roots:
                store.add_cert(crypto.X509.from_cryptography(root))
            context.set_verify(SSL.VERIFY_PEER, self._verify)
        return context

    def _note_state(self, tls: SSL.Connection) -> None:
        self._states.add(tls.get_state_string())

    def _verify(
        self, _tls: SSL.Connection, _certificate: crypto.X509, code: int, depth: int, ok: int
    ) -> bool:
        """Record a verification error and continue, so that OpenSSL reports all of them."""
        self._objections = self._objections or []
        if not ok:
            self._objections.append(Objection(depth, code, _WORDS.get(code, f"error {code}")))
        return True

    @property
    def greeting(self) -> Greeting:
        """What the server showed, once it has proved that it holds its certificate's key.

        Before that, anyone could present a certificate that is not theirs.
        """
        if not (self._is_done or _SERVER_DONE in self._states):
            return Greeting()
        shown = self._tls.get_peer_certificate()
        asks = _CERTIFICATE_REQUESTED in self._states
        names, unreadable = read_authorities(self._tls) if asks else ((), 0)
        return Greeting(
            certificate=crypto.dump_certificate(crypto.FILETYPE_ASN1, shown) if shown else None,
            asks=asks,
            authorities=names,
            unreadable=unreadable,
            objections=None if self._objections is None else tuple(self._objections),
        )

    def handshake(self, deadline: float) -> None:
        """Complete the handshake on the client's side by ``deadline`` (monotonic)."""
        self._run(self._tls.do_handshake, deadline)
        self._is_done = True

    def await_alert(self, seconds: float, deadline: float) -> None:
        """Wait up to ``seconds`` for the server to send an alert, and raise it if it does.

        The only other thing that a server sends unasked is session tickets; OpenSSL handles them.
        """
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        with suppress(SSL.WantReadError):
            self._held = self._try(lambda: self._tls.recv(_BLOCK))
            return
        if poll.poll(seconds * 1000):
            self._fill(deadline)
            with suppress(SSL.WantReadError):
                self._held = self._try(lambda: self._tls.recv(_BLOCK))

    def sendall(self, data: bytes, deadline: float) -> None:
        """Send ``data``."""
        self._run(lambda: self._tls.send(data), deadline)

    def receive(self, deadline: float) -> bytes:
        """Return the next data; empty if the server has closed the connection properly."""
        held, self._held = self._held, b""
        return held or self._run(lambda: self._tls.recv(_BLOCK), deadline)

    def _run(self, operation: Callable[[], T], deadline: float) -> T:
        while True:
            try:
                return self._try(operation)
            except SSL.WantReadError:
                pass
            finally:
                self._flush(deadline)
            self._fill(deadline)

    def _try(self, operation: Callable[[], T]) -> T:
        """Run ``operation`` on what was received; raise WantReadError if it needs more."""
        try:
            return operation()
        except SSL.WantReadError:
            raise
        except (SSL.ZeroReturnError, SSL.SysCallError):
            raise ChannelFault(Closed()) from None
        except SSL.Error as error:
            raise ChannelFault(_classify(_reason(error))) from None

    def _flush(self, deadline: float) -> None:
        # If the server has closed the connection, what it sent before can still be read.
        with suppress(SSL.Error, ConnectionError):
            while data := self._tls.bio_read(_BLOCK):
                self._socket.settimeout(seconds_left(deadline))
                self._socket.sendall(data)

    def _fill(self, deadline: float) -> None:
        self._socket.settimeout(seconds_left(deadline))
        data = self._socket.recv(_BLOCK)
        if not data:
            raise ChannelFault(Closed())
        self._tls.bio_write(data)


def _present(context: SSL.Context, identity: ClientCertificate) -> None:
    """Have ``context`` present a certificate when the server requests one."""
    context.set_cipher_list(_CIPHERS)  # its security level decides which keys are too short
    leaf, *intermediates = identity.chain
    context.use_certificate(leaf)
    for intermediate in intermediates:
        context.add_extra_chain_cert(intermediate)
    context.use_privatekey(identity.key)


def seconds_left(deadline: float) -> float:
    """Return the seconds left; raises TimeoutError even for a server that never stops sending."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return max(SHORTEST_TIMEOUT, left)


def _reason(error: SSL.Error) -> str:
    """Return OpenSSL's reason for an error, the last if there are several."""
    found = error.args[0] if error.args else ()
    return str(found[-1][-1]) if found else "unknown OpenSSL error"


def _classify(reason: str) -> Outcome:
    _, found, alert = reason.partition(" alert ")
    return Alerted(alert) if found else NotTLS(reason)
