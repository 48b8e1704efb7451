"""The JWT of a job: from a file or a variable, or from GitHub, which gives it when asked."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from urllib3.exceptions import HTTPError

from dockertls_vault.errors import LoginRefused, NoToken, VaultUnreachable

from . import faults, retry
from .tokens import check_secret, read_secret
from .transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockertls_vault.settings import Settings

    from .transport import Answer

_TRIES = 3


def find_jwt(settings: Settings, random: Callable[[], float]) -> str:
    """Return the JWT to log in with, as fresh as it can be had; raises NoToken if there is none."""
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
        return _ask_github(settings, settings.github_url, random)
    if settings.gitlab_token is not None:
        return check_secret(settings.gitlab_token, settings.origins["gitlab_token"])
    raise NoToken(
        "no JWT to log in with",
        hint="a job on GitHub needs `permissions: id-token: write`, one on GitLab `id_tokens: "
        "VAULT_ID_TOKEN`; elsewhere set DOCKERTLS_JWT_FILE",
    )


def _ask_github(settings: Settings, url: str, random: Callable[[], float]) -> str:
    """Ask GitHub for a JWT of this job, a few times if it does not answer."""
    if settings.github_token is None:
        raise NoToken("ACTIONS_ID_TOKEN_REQUEST_TOKEN is not set, though the URL for it is")
    secret = check_secret(settings.github_token, settings.origins["github_token"])
    # What is set for the connection to Vault is not meant for GitHub.
    transport = Transport(
        dataclasses.replace(
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
    )
    try:
        for attempt in range(_TRIES):
            try:
                answer = transport.send(
                    "GET",
                    url,
                    headers={"Authorization": f"Bearer {secret}", "Accept": "application/json"},
                    body=None,
                    params={"audience": settings.jwt_audience} if settings.jwt_audience else None,
                    timeout=retry.ONE_TRY,
                )
            except HTTPError as error:
                failure = faults.reason(error)
            else:
                if answer.status < 500:
                    return _value(answer)
                failure = f"HTTP {answer.status}"
            time.sleep(retry.pause(attempt, random))
    finally:
        transport.close()
    raise VaultUnreachable(
        f"GitHub gave no JWT for this job: {failure}", hint="run the job again; see githubstatus"
    )


def _value(answer: Answer) -> str:
    value = (answer.body or {}).get("value")
    if answer.status != 200 or not isinstance(value, str):
        raise LoginRefused(
            f"GitHub gave no JWT for this job (HTTP {answer.status})",
            hint="the job needs `permissions: id-token: write`",
        )
    return check_secret(value, "GitHub's answer")
