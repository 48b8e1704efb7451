"""A TLS connection as a client, over a socket, that tells all it saw of the server.

Python's ssl tells neither which CAs a server names nor a certificate where the handshake fails,
and ends where verification does; pyOpenSSL tells all of it of one and the same connection.
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

# Forward secrecy alone, as all that TLS 1.3 has: in TLS 1.2 the server's signature over the key
# exchange then proves that it has its certificate's key before it judges ours.
_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:DHE+AES:!aNULL:!PSK:@SECLEVEL=2"
# OpenSSL's SSL_MODE_NO_AUTO_CHAIN: show cert.pem as it is, as docker does, and nothing of ca.pem.
_NO_AUTO_CHAIN = 0x8
# What OpenSSL calls the states in which a client has read a CertificateRequest, and (in TLS 1.2)
# all that a server says before it hears of the client's certificate.
_WAS_ASKED = b"SSLv3/TLS read server certificate request"
_SERVER_DONE = b"SSLv3/TLS read server done"
# The words of OpenSSL's codes, X509_V_ERR_CERT_HAS_EXPIRED and the like.
_WORDS = {
    code: name.removeprefix("ERR_").replace("_", " ").lower()
    for name, code in vars(SSL.X509VerificationCodes).items()
    if name.startswith("ERR_")
}
_BLOCK = 64 * 1024
# Zero would mean "do not block" to a socket.
_SHORTEST = 0.01


@dataclass(frozen=True)
class Identity:
    """A client's certificate, the intermediates that it is sent with, and its key."""

    chain: tuple[Certificate, ...]
    key: PrivateKey


@dataclass(frozen=True)
class Hello:
    """How we come: with a certificate or without, and with the roots that verify the server."""

    identity: Identity | None = None
    roots: tuple[Certificate, ...] = ()


class UnusableIdentity(Exception):
    """OpenSSL does not take a certificate or its key; in words."""


class ChannelFault(OSError):
    """The end of a connection; ``outcome`` is what it means."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(str(outcome))
        self.outcome = outcome


def require_usable(identity: Identity) -> None:
    """Raise UnusableIdentity where OpenSSL does not take it, as a key that is too short."""
    try:
        _show(SSL.Context(SSL.TLS_CLIENT_METHOD), identity)
    except SSL.Error as error:
        raise UnusableIdentity(_reason(error)) from None
    except TypeError as error:  # a key that is for no signature
        raise UnusableIdentity(str(error)) from None


class Channel:
    """TLS 1.2 or later over ``connection``.

    A server that is not verified is talked to all the same, and what speaks against it is in the
    greeting. A certificate of ours that is asked for only after the handshake is not shown, as
    Go does not. Its methods raise OSError: ChannelFault, TimeoutError, or the socket's.
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
        context.set_info_callback(lambda tls, _where, _code: self._see(tls))
        if hello.identity is not None:
            _show(context, hello.identity)
        if hello.roots and (store := context.get_cert_store()):
            # Go takes an intermediate in ca.pem for a root too.
            store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
            for root in hello.roots:
                store.add_cert(crypto.X509.from_cryptography(root))
            context.set_verify(SSL.VERIFY_PEER, self._verify)
        return context

    def _see(self, tls: SSL.Connection) -> None:
        self._states.add(tls.get_state_string())

    def _verify(
        self, _tls: SSL.Connection, _certificate: crypto.X509, code: int, depth: int, ok: int
    ) -> bool:
        """Keep what OpenSSL objects to, and have it go on, so that it finds all there is."""
        self._objections = self._objections or []
        if not ok:
            self._objections.append(Objection(depth, code, _WORDS.get(code, f"error {code}")))
        return True

    @property
    def greeting(self) -> Greeting:
        """What the server showed; nothing before it proved to have its certificate's key.

        Until then anybody can show anybody's certificate.
        """
        if not (self._is_done or _SERVER_DONE in self._states):
            return Greeting()
        shown = self._tls.get_peer_certificate()
        asks = _WAS_ASKED in self._states
        names, unreadable = read_authorities(self._tls) if asks else ((), 0)
        return Greeting(
            certificate=crypto.dump_certificate(crypto.FILETYPE_ASN1, shown) if shown else None,
            asks=asks,
            authorities=names,
            unreadable=unreadable,
            objections=None if self._objections is None else tuple(self._objections),
        )

    def shake_hands(self, deadline: float) -> None:
        """Come to the end of the handshake, as a client sees it, by ``deadline`` (monotonic)."""
        self._run(self._tls.do_handshake, deadline)
        self._is_done = True

    def hear_an_alert(self, seconds: float, deadline: float) -> None:
        """Wait for the server to speak first, and raise what it says if that is an alert.

        What else it sends unasked are session tickets, which OpenSSL keeps to itself.
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
        """Return what comes next; nothing where the server has said that this is the end."""
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
        """Do what can be done with what has come; raise WantReadError where that is too little."""
        try:
            return operation()
        except SSL.WantReadError:
            raise
        except (SSL.ZeroReturnError, SSL.SysCallError):
            raise ChannelFault(Closed()) from None
        except SSL.Error as error:
            raise ChannelFault(_classify(_reason(error))) from None

    def _flush(self, deadline: float) -> None:
        # Where the server has gone already, what it said before is still to be read.
        with suppress(SSL.Error, ConnectionError):
            while data := self._tls.bio_read(_BLOCK):
                self._socket.settimeout(_left(deadline))
                self._socket.sendall(data)

    def _fill(self, deadline: float) -> None:
        self._socket.settimeout(_left(deadline))
        data = self._socket.recv(_BLOCK)
        if not data:
            raise ChannelFault(Closed())
        self._tls.bio_write(data)


def _show(context: SSL.Context, identity: Identity) -> None:
    """Have ``context`` show a certificate where it is asked for one."""
    context.set_cipher_list(_CIPHERS)  # with the level below which a key is too short
    leaf, *intermediates = identity.chain
    context.use_certificate(leaf)
    for intermediate in intermediates:
        context.add_extra_chain_cert(intermediate)
    context.use_privatekey(identity.key)


def _left(deadline: float) -> float:
    """Return the seconds that are left; a server that talks without end is cut by this."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return max(_SHORTEST, left)


def _reason(error: SSL.Error) -> str:
    """Return OpenSSL's words for an error, the last where there are several."""
    found = error.args[0] if error.args else ()
    return str(found[-1][-1]) if found else "an error that OpenSSL does not name"


def _classify(reason: str) -> Outcome:
    _, found, alert = reason.partition(" alert ")
    return Alerted(alert) if found else NotTLS(reason)
