"""TLS to Vault as Vault's own command line does it: which CAs are trusted, who we are."""

from __future__ import annotations

import os
import re
import ssl
from contextlib import contextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING

from dockertls_vault.errors import InvalidSetting
from dockertls_vault.files import bounded

from .deadline import TLSSocket

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from dockertls_vault.settings.schema import Settings

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def context(settings: Settings) -> ssl.SSLContext:
    """Return the context for connections to Vault; raises InvalidSetting.

    As Go, and whatever Python's version: a certificate that was given is trusted, be it a root,
    an intermediate or the listener's own; names are looked for in the SANs alone; and what RFC
    5280 asks of a CA beyond that is not insisted on.
    """
    made = ssl.create_default_context(cadata=_cas(settings))
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    made.hostname_checks_common_name = False
    made.sslsocket_class = TLSSocket
    _show(made, settings)
    if settings.skip_verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def is_given(settings: Settings) -> bool:
    """Tell whether there is more to it than the system's CAs."""
    found = (
        settings.ca_cert,
        settings.ca_cert_bytes,
        settings.ca_path,
        settings.client_cert,
        settings.client_key,
    )
    return any(value is not None for value in found)


def _show(made: ssl.SSLContext, settings: Settings) -> None:
    """Let the context show our certificate, if there is one."""
    certificate, key = settings.client_cert, settings.client_key
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        named = settings.origins["client_key" if certificate is None else "client_cert"]
        raise InvalidSetting(
            f"{named}: a client certificate for Vault needs its key as well",
            hint="set both VAULT_CLIENT_CERT and VAULT_CLIENT_KEY",
        )
    origins = settings.origins
    with (
        _in_memory(certificate, origins["client_cert"]) as shown,
        _in_memory(key, origins["client_key"]) as proof,
    ):
        try:
            # Without a password OpenSSL would ask for that of an encrypted key.
            made.load_cert_chain(shown, proof, password="")
        except OSError as error:
            raise InvalidSetting(
                f"{origins['client_cert']}: the certificate or its key cannot be read: {error}"
            ) from None


@contextmanager
def _in_memory(path: Path, origin: str) -> Iterator[str]:
    """Give a path at which OpenSSL, which takes nothing else, finds what is in a file.

    OpenSSL itself would wait for a pipe for ever, and heed no signal.
    """
    try:
        content = bounded.read(path)
    except (OSError, ValueError) as error:
        raise InvalidSetting(f"{origin}: {path} cannot be read: {error}") from None
    reading, writing = os.pipe()

    def feed() -> None:
        # OpenSSL reads no further than to what it cannot use.
        with suppress(BrokenPipeError, BlockingIOError), os.fdopen(writing, "wb") as pipe:
            pipe.write(content)

    feeder = Thread(target=feed)
    try:
        feeder.start()
    except RuntimeError:  # no more threads are allowed: then what a pipe holds has to be enough
        os.set_blocking(writing, False)
        feed()
    try:
        yield f"/dev/fd/{reading}"
    finally:
        os.close(reading)
        if feeder.ident is not None:  # it was started
            feeder.join()


def _cas(settings: Settings) -> str | None:
    """Return the CAs that were given, PEM: the file's and the directory's, else the text's.

    OpenSSL wants the files of a directory named by hashes, Vault takes them as they are. The
    system's CAs count only where none are given, as for HashiCorp's command line.
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

    Raises OSError once it is iterated, where one of its directories cannot be looked through.
    """
    yield from sorted(file for file in path.rglob("*") if file.is_file()) or [path]


def _read(files: Iterable[Path], origin: str) -> str:
    try:
        return "".join(bounded.read(file).decode("ascii", "ignore") for file in files)
    except (OSError, ValueError) as error:
        raise InvalidSetting(f"{origin}: no CA certificates can be read there: {error}") from None


def _certificates(text: str, origin: str) -> str:
    """Return the certificates in ``text``, whatever is between them; a broken one is left out."""
    found = "".join(f"{block}\n" for block in _PEM.findall(text) if _is_certificate(block))
    if not found:
        raise InvalidSetting(f"{origin}: no CA certificates in PEM form")
    return found


def _is_certificate(block: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=block)
    except (ValueError, TypeError, ssl.SSLError):
        return False
    return True
