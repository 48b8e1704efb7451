"""The JWT of a job: from a file or a variable, or from GitHub, which gives it when asked."""

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

_TRIES = 3
_SHORTEST = 0.1  # seconds for a try where next to nothing is left
_NONE = "GitHub issued no JWT for this job"
_AGAIN = "run the job again a little later; see githubstatus.com"


def find_jwt(
    settings: Settings,
    spending: Callable[[], AbstractContextManager[float]],
) -> str:
    """Return the JWT to log in with, as fresh as it can be had; raises NoToken if there is none.

    ``spending`` gives the seconds that are left for the command, and counts those that pass.
    """
    if settings.jwt is not None:
        return check_secret(settings.jwt, settings.origins["jwt"])
    if settings.jwt_variable is not None:
        raise NoToken(
            f"the variable {settings.jwt_variable} is not set, where the JWT should be "
            f"({settings.origins['jwt_variable']})"
        )
    if settings.jwt_file is not None:
        return read_secret(settings.jwt_file)
    if settings.github_url is not None:
        with spending() as left:
            return _ask_github(settings, settings.github_url, left)
    if settings.gitlab_token is not None:
        return check_secret(settings.gitlab_token, settings.origins["gitlab_token"])
    raise NoToken(
        "no JWT to log in with",
        hint="a job on GitHub needs `permissions: id-token: write`, one on GitLab `id_tokens: "
        "VAULT_ID_TOKEN`; elsewhere set DOCKERTLS_JWT_FILE",
    )


def _ask_github(settings: Settings, url: Target, left: float) -> str:
    """Ask GitHub for a JWT of this job, a few times within ``left`` seconds if it does not answer.

    Raises RateLimited, LoginDenied if the job may have none, else VaultUnreachable.
    """
    if settings.github_token is None:
        raise NoToken("ACTIONS_ID_TOKEN_REQUEST_TOKEN is not set, though the URL for it is")
    secret = check_secret(settings.github_token, settings.origins["github_token"])
    deadline = time.monotonic() + left
    transport = Transport(_beyond_vault(settings))
    try:
        for attempt in range(_TRIES):
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
                failure = _passing(answer.status)
            pause = retry.pause(attempt, random.random)
            if time.monotonic() + pause >= deadline:
                break
            stop.wait(pause)
    finally:
        transport.close()
    raise failure


def _beyond_vault(settings: Settings) -> Settings:
    """Return the settings without those that are for the connection to Vault alone."""
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


def _passing(status: int) -> DockerTLSError:
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
