"""``dockertls-vault check HOST``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dockertls_vault.duration import parse_duration

from . import render
from .options import Output, OutputOption, Preferences, QuietOption, described, examples

if TYPE_CHECKING:
    from dockertls_vault.docker.report import Report, Step

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(
    epilog=examples(
        "dockertls-vault check tcp://docker1.example.internal:2376",
        "dockertls-vault check 192.0.2.10 --certs ./client -o json",
    )
)
def check(
    ctx: typer.Context,
    host: Annotated[
        str,
        typer.Argument(
            metavar="HOST",
            help="The daemon as DOCKER_HOST has it: tcp://h:2376, h:2376, h or [::1]:2376.",
        ),
    ],
    certs: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help=described(
                "The directory of our certificate, key and ca.pem.",
                variables=["DOCKER_CERT_PATH"],
                default="~/.docker",
            ),
        ),
    ] = None,
    timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="How long to wait for each answer.")
    ] = "10s",
    output: OutputOption = Output.TABLE,  # noqa: ARG001 - its callback remembers it
    quiet: QuietOption = False,  # noqa: ARG001 - likewise
) -> None:
    """Check that a daemon keeps strangers out, and lets us in.

    The exit status is that of the worst that was found: 0 all is well, 1 a warning, 65 an error,
    69 no answer, 76 a stranger is let in.
    """
    from dockertls_vault import store
    from dockertls_vault.check import check as check_endpoint
    from dockertls_vault.docker.endpoint import parse_endpoint

    preferences = ctx.ensure_object(Preferences)
    endpoint = parse_endpoint(host)
    limit = parse_duration(timeout)
    files = store.installed((certs or default_directory(os.environ)).expanduser())
    render.note(f"our certificate is {files.cert}", preferences)
    report = check_endpoint(endpoint, files, timeout=limit, now=datetime.now(UTC))
    render.show(
        "check",
        report,
        preferences,
        words=[_table(report), "", _fields(report)],
        ok=report.severity.exit_status == 0,
    )
    raise typer.Exit(report.severity.exit_status)


def default_directory(environ: Mapping[str, str]) -> Path:
    """Return where the docker CLI looks for its certificates, ``~`` not yet expanded."""
    return Path(environ.get("DOCKER_CERT_PATH") or environ.get("DOCKER_CONFIG") or "~/.docker")


def _table(report: Report) -> render.Table:
    rows = [(step.severity.value, step.tried, _found(step)) for step in report.steps]
    return render.Table(("result", "tried", "found"), rows, graded=True)


def _found(step: Step) -> str:
    lines = [step.happened]
    lines += [f"why: {step.why}"] if step.why else []
    lines += [f"do: {step.todo}"] if step.todo else []
    return "\n".join(lines)


def _fields(report: Report) -> render.Fields:
    pairs = [("daemon", report.endpoint + (f" at {report.address}" if report.address else ""))]
    if report.docker:
        pairs.append(("docker", f"{report.docker.version}, API {report.docker.api_version}"))
    if report.certificate:
        certificate = report.certificate
        pairs += [
            ("subject", certificate.subject or "(empty)"),
            ("issuer", certificate.issuer),
            ("serial", certificate.serial),
            ("valid until", f"{certificate.not_after:%Y-%m-%d %H:%M:%S} UTC"),
            ("sha256", certificate.fingerprint),
        ]
    return render.Fields([*pairs, ("result", report.severity.value)])
