"""The JWT of a CI job: from a file, from an environment variable, or requested from GitHub."""

from __future__ import annotations

import dataclasses
import random
import time
from typing import TYPE_CHECKING

from urllib3.exceptions import HTTPError

from dockertls_vault import stop
from dockertls_vault.errors import LoginDenied, NoToken, RateLimited, VaultUnreachable
from dockertls_vault.vault.http import failures, retry
from dockertls_vault.vault.http.transport import Transport

from .token import check_secret, read_secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from dockertls_vault.errors import DockerTLSError
    from dockertls_vault.settings.address import Target
    from dockertls_vault.settings.schema import Settings
    from dockertls_vault.vault.answers.answer import Answer

_ATTEMPTS = 3
_SHORTEST = 0.1  # seconds; the minimum for an attempt when the timeout is nearly over
_NONE = "GitHub issued no JWT for this job"
_AGAIN = "run the job again a little later; see githubstatus.com"


def find_jwt(
    settings: Settings,
    spending: Callable[[], AbstractContextManager[float]],
) -> str:
    """Return a fresh JWT to log in with; raises NoToken if none is configured.

    ``spending`` is a context that yields the remaining seconds, and deducts the time spent in it.
    """
    if settings.jwt is not None:
        return check_secret(settings.jwt, settings.origins["jwt"])
    if settings.jwt_variable is not None:
        raise NoToken(
            f"the variable {settings.jwt_variable} is not set, although "
            f"{settings.origins['jwt_variable']} names it as the source of the JWT"
        )
    if settings.jwt_file is not None:
        return read_secret(settings.jwt_file, settings.origins["jwt_file"])
    if settings.github_url is not None:
        with spending() as left:
            return _ask_github(settings, settings.github_url, left)
    if settings.gitlab_token is not None:
        return check_secret(settings.gitlab_token, settings.origins["gitlab_token"])
    raise NoToken(
        "no JWT to log in with",
        hint="on GitHub, the job needs `permissions: id-token: write`; on GitLab, `id_tokens: "
        "VAULT_ID_TOKEN`; elsewhere, set DOCKERTLS_JWT_FILE",
    )


def _ask_github(settings: Settings, url: Target, left: float) -> str:
    """Request this job's JWT from GitHub, with a few attempts within ``left`` seconds.

    Raises LoginDenied if the job lacks the permission, RateLimited, or else VaultUnreachable.
    """
    if settings.github_token is None:
        raise NoToken(
            "ACTIONS_ID_TOKEN_REQUEST_URL is set, but ACTIONS_ID_TOKEN_REQUEST_TOKEN is not"
        )
    secret = check_secret(settings.github_token, settings.origins["github_token"])
    deadline = time.monotonic() + left
    transport = Transport(_without_vault(settings))
    try:
        for attempt in range(_ATTEMPTS):
            try:
                answer = transport.send(
                    "GET",
                    url,
                    headers={"Authorization": f"Bearer {secret}", "Accept": "application/json"},
                    body=None,
                    params={"audience": settings.jwt_audience} if settings.jwt_audience else None,
                    timeout=max(min(retry.ONE_TRY, deadline - time.monotonic()), _SHORTEST),
                )
            except HTTPError as error:
                failure: DockerTLSError = VaultUnreachable(
                    f"{_NONE}: it {failures.reason(error)}", hint=_AGAIN
                )
            else:
                if answer.status < 500 and answer.status != 429:
                    return _value(answer)
                failure = _temporary(answer.status)
            pause = retry.pause(attempt, random.random)
            if time.monotonic() + pause >= deadline:
                break
            stop.wait(pause)
    finally:
        transport.close()
    raise failure


def _without_vault(settings: Settings) -> Settings:
    """Return the settings without those that only apply to connections to Vault."""
    return dataclasses.replace(
        settings,
        ca_cert=None,
        ca_cert_bytes=None,
        ca_path=None,
        client_cert=None,
        client_key=None,
        skip_verify=False,
        tls_server_name=None,
        proxy=None,
    )


def _temporary(status: int) -> DockerTLSError:
    if status == 429:
        return RateLimited(f"{_NONE}: too many requests (HTTP 429)", hint=_AGAIN)
    return VaultUnreachable(f"{_NONE}: HTTP {status}", hint=_AGAIN)


def _value(answer: Answer) -> str:
    value = (answer.body or {}).get("value")
    if answer.status != 200 or not isinstance(value, str):
        raise LoginDenied(
            f"{_NONE} (HTTP {answer.status})",
            hint="the job needs `permissions: id-token: write`",
        )
    return check_secret(value, "GitHub's answer")
