"""The docker CLI against a daemon: its API version, and its environment; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockertls_vault.docker.diagnosis.report import Result

from .checks import Check, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dockertls_vault.docker.cli_versions import Client
    from dockertls_vault.docker.diagnosis.report import CheckResult

_OFF = {"0", "false", "no", "off"}
# One of them here shows that sudo was told to keep such variables (sudo -E).
_KEPT = ("DOCKER_", "DOCKERTLS_", "VAULT_", "BAO_")


def judge_api(version: Mapping[str, Any] | str, clients: Sequence[Client]) -> CheckResult:
    """Judge whether each client speaks the minimum API version of the daemon, or a newer one.

    ``version`` is the daemon's answer to ``/version``; a text if it could not be asked: why.
    """
    found = Check.API.found
    if not clients:
        return found(Result.OK, "no docker CLI in PATH")
    if isinstance(version, str):
        return Check.API.skipped(version)
    minimum = version.get("MinAPIVersion")
    if not isinstance(minimum, str):
        return found(Result.UNKNOWN, "the daemon does not report its minimum API version")
    lines = [f"the daemon's minimum: API {minimum}", *map(_described, clients)]
    too_old = [client for client in clients if client.api and _parts(client.api) < _parts(minimum)]
    if too_old:
        return found(
            Result.ERROR,
            lines,
            f"the daemon rejects {', '.join(str(client.program) for client in too_old)}: client "
            "version is too old",
            "upgrade it; until then, set DOCKER_MIN_API_VERSION="
            f"{min((client.api or '' for client in too_old), key=_parts)} in dockerd's environment",
        )
    if any(client.api is None for client in clients):
        return found(Result.UNKNOWN, lines, "a client did not report its API version")
    return found(Result.OK, lines)


def judge_environment(
    environ: Mapping[str, str], of_daemon: Mapping[str, str] | None
) -> CheckResult:
    """Judge the variables of the docker CLI here, and those of dockerd, None if unreadable."""
    verify, host = environ.get("DOCKER_TLS_VERIFY", ""), environ.get("DOCKER_HOST", "")
    inherited = (of_daemon or {}).get("DOCKER_TLS_VERIFY", "")
    problems = []
    if verify.lower() in _OFF:
        problems.append(_off(verify))
    if host.startswith("tcp://") and not verify:
        problems.append(_unverified(host, is_encrypted=bool(environ.get("DOCKER_TLS"))))
    if inherited.lower() in _OFF:
        problems.append(_off_for_dockerd(inherited))
    if problems:
        return Check.ENVIRONMENT.found_all(problems)
    if environ.get("SUDO_USER") and not any(name.startswith(_KEPT) for name in environ):
        return Check.ENVIRONMENT.skipped(
            "none is set here, and sudo without -E may have dropped yours"
        )
    return Check.ENVIRONMENT.found(
        Result.OK, "no variable changes how docker uses TLS unexpectedly"
    )


def _off(verify: str) -> Problem:
    return Problem(
        Result.WARNING,
        f"DOCKER_TLS_VERIFY={verify} turns TLS on",
        "any value but an empty one does: docker checks only whether it is set",
        "unset DOCKER_TLS_VERIFY, or set it to 1",
    )


def _unverified(host: str, *, is_encrypted: bool) -> Problem:
    return Problem(
        Result.WARNING,
        f"DOCKER_HOST={host} without DOCKER_TLS_VERIFY",
        "docker encrypts, but does not verify the daemon"
        if is_encrypted
        else "docker connects without TLS, and what it sends can be read and changed",
        "set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH if the files are not in ~/.docker",
    )


def _off_for_dockerd(verify: str) -> Problem:
    return Problem(
        Result.WARNING,
        f"dockerd was started with DOCKER_TLS_VERIFY={verify}, which turns tlsverify on",
        "dockerd checks only whether it is set",
        "remove it from dockerd's environment, and set tlsverify in daemon.json",
    )


def _described(client: Client) -> str:
    speaks = f"API {client.api}" if client.api else "API unknown"
    return " ".join(filter(None, (f"{client.program}: docker", client.version))) + f", {speaks}"


def _parts(version: str) -> tuple[int, ...]:
    """Return a version as numbers, as 1.9 comes before 1.10."""
    return tuple(int(part) for part in version.split(".") if part.isdecimal())
