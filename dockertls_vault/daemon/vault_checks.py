"""Ask Vault about its clock and the roles of its mount; nothing is changed, and nobody logs in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockertls_vault.certificate.clocks import Clocks
from dockertls_vault.docker.diagnosis.report import Result
from dockertls_vault.errors import DockerTLSError, UnknownRole
from dockertls_vault.settings.method import Method
from dockertls_vault.vault.login.method import choose
from dockertls_vault.vault.login.token import given_token
from dockertls_vault.vault.pki import PKI

from .examination import vaults
from .examination.checks import Check

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from dockertls_vault.docker.diagnosis.report import CheckResult
    from dockertls_vault.settings.schema import Settings
    from dockertls_vault.vault.session import Session

# It answers without a token; with these also a standby, and a Vault that is sealed or new.
_HEALTH = "/v1/sys/health"
# OpenBao serves it only in the root namespace.
_ROOT = {"X-Vault-Namespace": ""}
_ANYWAY = {
    "standbyok": "true",
    "perfstandbyok": "true",
    "sealedcode": "200",
    "uninitcode": "200",
}


def skipped(reason: str) -> list[CheckResult]:
    """Return the results of both checks if they cannot be run, with the reason."""
    return [check.skipped(reason) for check in (Check.CLOCK, Check.ROLES)]


def ask(session: Session, clock: Callable[[], datetime]) -> list[CheckResult]:
    """Return the results of both checks; that Vault does not answer is one, too."""
    try:
        session.anonymous.get(_HEALTH, headers=_ROOT, params=_ANYWAY)
    except DockerTLSError as error:
        unknown = Check.CLOCK.found(Result.UNKNOWN, error.message, None, error.hint or None)
        return [unknown, Check.ROLES.skipped("Vault did not answer")]
    clocks = Clocks(clock(), session.anonymous.date)
    return [vaults.judge_clock(clocks), _ask_roles(session)]


def _ask_roles(session: Session) -> CheckResult:
    settings = session.settings
    try:
        if reason := _no_token(settings):
            return Check.ROLES.skipped(reason)
        pki = PKI(session, settings.mount)
        named = dict.fromkeys((settings.server_role, settings.client_role, *pki.role_names()))
        return vaults.judge_roles(settings.mount, {name: _role(pki, name) for name in named})
    except DockerTLSError as error:
        return Check.ROLES.skipped(error.message)


def _no_token(settings: Settings) -> str | None:
    """Return why there is no token at hand: a login could spend a secret of one use."""
    method = choose(settings).method
    if method is not Method.TOKEN:
        return f"needs a token: it does not log in (with {method})"
    return None if given_token(settings) else "needs a token (VAULT_TOKEN) that may read roles"


def _role(pki: PKI, name: str) -> dict[str, Any] | str:
    """Return the parameters of a role, or why they are not known."""
    try:
        return pki.role(name) or "the token may not read it"
    except UnknownRole:
        return "there is no such role"
