"""TLS connections to Vault, with the trusted CAs and client certificate of its command line."""

from __future__ import annotations

import os
import re
import ssl
from contextlib import contextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING

from dockertls_vault.errors import InvalidSetting
from dockertls_vault.settings import contents

from .deadline import TLSSocket

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from dockertls_vault.settings.schema import Settings

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def context(settings: Settings) -> ssl.SSLContext:
    """Return the context for connections to Vault; raises InvalidSetting.

    It verifies as Go does, with every version of Python: a given certificate is trusted, whether it
    is a root, an intermediate or the listener's own; only SANs are compared with the host; and
    X509_STRICT checks of CA certificates are off.
    """
    made = ssl.create_default_context(cadata=_cas(settings))
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    made.hostname_checks_common_name = False
    made.sslsocket_class = TLSSocket
    _load_client_certificate(made, settings)
    if settings.skip_verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def is_configured(settings: Settings) -> bool:
    """Tell whether the settings name CAs or a client certificate."""
    found = (
        settings.ca_cert,
        settings.ca_cert_bytes,
        settings.ca_path,
        settings.client_cert,
        settings.client_key,
    )
    return any(value is not None for value in found)


def _load_client_certificate(made: ssl.SSLContext, settings: Settings) -> None:
    """Load our client certificate and its key into the context, if they are set."""
    certificate, key = settings.client_cert, settings.client_key
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        named = settings.origins["client_key" if certificate is None else "client_cert"]
        raise InvalidSetting(
            f"{named}: a client certificate for Vault needs both a certificate and a key",
            hint="set both VAULT_CLIENT_CERT and VAULT_CLIENT_KEY",
        )
    origins = settings.origins
    with (
        _readable_path(certificate, origins["client_cert"]) as shown,
        _readable_path(key, origins["client_key"]) as proof,
    ):
        try:
            # Without a password, OpenSSL would prompt for that of an encrypted key.
            made.load_cert_chain(shown, proof, password="")
        except OSError as error:
            raise InvalidSetting(
                f"{origins['client_cert']}: the certificate or its key cannot be read: {error}"
            ) from None


@contextmanager
def _readable_path(path: Path, origin: str) -> Iterator[str]:
    """Yield a path from which OpenSSL can read the content of a file; it only accepts paths.

    We read the file ourselves, because OpenSSL would wait for a pipe without a timeout, and ignore
    signals.
    """
    content = contents.read(path, origin)
    reading, writing = os.pipe()

    def feed() -> None:
        # OpenSSL stops reading at the first thing that it cannot parse.
        with suppress(BrokenPipeError, BlockingIOError), os.fdopen(writing, "wb") as pipe:
            pipe.write(content)

    feeder = Thread(target=feed)
    try:
        feeder.start()
    except RuntimeError:  # no more threads are allowed: write as much as fits into the pipe
        os.set_blocking(writing, False)
        feed()
    try:
        yield f"/dev/fd/{reading}"
    finally:
        os.close(reading)
        if feeder.ident is not None:  # it was started
            feeder.join()


def _cas(settings: Settings) -> str | None:
    """Return the CAs of the settings in PEM: of the file and the directory, or else of the text.

    Unlike OpenSSL, Vault does not require the files of a directory to be named by their hash. None
    means the system's CAs: they are used only if no others are given, as in Vault's command line.
    """
    origins, text, read = settings.origins, settings.ca_cert_bytes, ""
    if text is not None:
        text = _certificates(text, origins["ca_cert_bytes"])
    if settings.ca_cert is not None:
        origin = origins["ca_cert"]
        read = _certificates(_read([settings.ca_cert], origin), origin)
    if settings.ca_path is not None:
        origin = origins["ca_path"]
        read = _certificates(read + _read(_files(settings.ca_path), origin), origin)
    return read or text


def _files(path: Path) -> Iterator[Path]:
    """Yield the files in and below a directory, or ``path`` itself if there are none.

    Raises OSError during iteration if a directory cannot be read.
    """
    yield from sorted(file for file in path.rglob("*") if file.is_file()) or [path]


def _read(files: Iterable[Path], origin: str) -> str:
    try:
        return "".join(contents.read(file, origin).decode("ascii", "ignore") for file in files)
    except OSError as error:
        raise InvalidSetting(f"{origin}: cannot read CA certificates: {error}") from None


def _certificates(text: str, origin: str) -> str:
    """Return the certificates in ``text``, without broken ones or anything between them."""
    found = "".join(f"{block}\n" for block in _PEM.findall(text) if _is_certificate(block))
    if not found:
        raise InvalidSetting(f"{origin}: no CA certificate in PEM format")
    return found


def _is_certificate(block: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=block)
    except (ValueError, TypeError, ssl.SSLError):
        return False
    return True
