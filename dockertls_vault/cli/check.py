"""``dockertls-vault check HOST``."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dockertls_vault.duration import format_time, parse_duration
from dockertls_vault.errors import ConflictingState, InvalidInput
from dockertls_vault.settings import parsers

from . import options, render, results
from .directories import CLIENT_DIRECTORY, SERVER_DIRECTORY, docker_cli_directory
from .help import Command, described, examples, single_command
from .options import parsed, with_preferences
from .preferences import Preferences

if TYPE_CHECKING:
    from dockertls_vault.credential.reader import CredentialFiles
    from dockertls_vault.docker.diagnosis.report import Report
    from dockertls_vault.docker.endpoint import Endpoint

logger = logging.getLogger(__name__)
app = single_command()


@app.command(
    cls=Command,
    epilog=examples(
        "dockertls-vault check tcp://docker1.example.internal:2376",
        "dockertls-vault check 192.0.2.10 --certs ./client -o json",
    ),
)
@with_preferences("output", "quiet")
def check(
    preferences: Preferences,
    host: Annotated[
        str | None,
        typer.Argument(
            metavar="[HOST]",
            help=described(
                "The daemon's address: tcp://HOST:2376, HOST:2376, HOST or [::1]:2376.",
                variables=["DOCKER_HOST"],
            ),
        ),
    ] = None,
    certs: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help=described(
                "The directory that holds your certificate, key and ca.pem.",
                variables=["DOCKER_CERT_PATH"],
                default="~/.docker",
            ),
        ),
    ] = None,
    timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="The timeout for each response.")
    ] = "10s",
) -> None:
    """Check that a daemon accepts only trusted clients.

    The exit status is that of the worst result: 0 all checks passed, 1 a warning,
    3 inconclusive, 65 an error, 69 no answer, 76 clients without a trusted certificate are
    accepted, or could be.
    """
    from dockertls_vault.check import check as check_endpoint

    endpoint = _endpoint(host, os.environ)
    limit = parsed("--timeout", parse_duration, timeout)
    directory, is_named = _directory(certs, os.environ)
    files = _credential(directory, is_named=is_named)
    report = check_endpoint(
        endpoint,
        files,
        server=SERVER_DIRECTORY,
        timeout=limit,
        now=datetime.now(UTC),
        issue=_issue_command(directory, files),
    )
    status = report.result.exit_status
    parts = (results.table(report.checks), "", _fields(report))
    render.show("check", report, preferences, parts=parts, ok=status == 0)
    raise typer.Exit(status)


def _endpoint(host: str | None, environ: Mapping[str, str]) -> Endpoint:
    """Return the endpoint given, or the one of the docker CLI."""
    from dockertls_vault.docker.endpoint import parse_endpoint

    if host is not None:
        return parse_endpoint(host)
    if found := environ.get("DOCKER_HOST"):
        try:
            return parse_endpoint(found)
        except InvalidInput as error:
            raise InvalidInput(f"DOCKER_HOST: {error.message}", hint=error.hint) from None
    raise InvalidInput(
        "no daemon to check: neither HOST nor DOCKER_HOST was given",
        hint="name it: dockertls-vault check tcp://docker.example.com:2376",
    )


def _directory(certs: str | None, environ: Mapping[str, str]) -> tuple[Path, bool]:
    """Return the directory of our credential, and whether the user named it."""
    if certs is not None:
        return options.directory("--certs", certs), True
    directory = parsers.path(str(docker_cli_directory(environ)))
    return directory, bool(environ.get("DOCKER_CERT_PATH"))


def _credential(directory: Path, *, is_named: bool) -> CredentialFiles | None:
    """Return the files to check with; None if docker, too, would use none by default."""
    from dockertls_vault.credential import reader
    from dockertls_vault.credential.naming import GENERATION_NAMES

    try:
        files = reader.installed(directory)
    except ConflictingState:
        paths = [directory / name for name in GENERATION_NAMES]
        if not is_named and not any(map(os.path.lexists, paths)):
            logger.info("there is no credential in %s: connecting without one", directory)
            return None
        files = reader.CredentialFiles(*paths)
    if os.path.lexists(files.cert):
        logger.info("our certificate is %s", files.cert.absolute())
    return files


def _issue_command(directory: Path, files: CredentialFiles | None) -> str:
    """Return the command that issues ``files`` again, or for the first time, in ``directory``."""
    from dockertls_vault.certificate.request import Purpose
    from dockertls_vault.credential.layout import Layout
    from dockertls_vault.docker.diagnosis.remedies import ISSUE_CLIENT

    words = [ISSUE_CLIENT]
    # Not Path.resolve, which raises for a symlink loop.
    inner = os.path.realpath(directory / Purpose.CLIENT.value)
    if files and Path(os.path.realpath(files.cert.parent)).is_relative_to(inner):
        words.append(f"--layout {Layout.DIND.value}")
    if directory != parsers.path(str(CLIENT_DIRECTORY)):
        words.append(f"--dir {shlex.quote(str(directory))}")
    return " ".join(words)


def _fields(report: Report) -> render.Fields:
    pairs = [("daemon", report.endpoint + (f" at {report.address}" if report.address else ""))]
    if report.daemon:
        pairs.append(
            (
                report.daemon.engine.lower(),
                f"{report.daemon.version or '(no version)'}, API {report.daemon.api_version}",
            )
        )
    if report.certificate:
        certificate = report.certificate
        pairs += [
            ("subject", certificate.subject or "(empty)"),
            ("issuer", certificate.issuer),
            ("serial", certificate.serial),
            ("valid until", format_time(certificate.not_after)),
            ("sha256", certificate.fingerprint_sha256),
        ]
    return render.Fields([*pairs, ("result", report.result.value)])
