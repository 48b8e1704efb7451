"""The checks of `daemon doctor`, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dockertls_vault.docker.diagnosis.checks import Checks
from dockertls_vault.docker.diagnosis.report import Result, worst
from dockertls_vault.docker.handshake.outcome import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockertls_vault.docker.diagnosis.report import CheckResult


class Problem(NamedTuple):
    """One of several things that a check finds wrong."""

    result: Result
    summary: str
    reason: str
    remedy: str


class Check(Checks):
    """The checks of a daemon on this host."""

    PROCESS = "process", "find the process of dockerd"
    CONFIGURATION = "configuration", "read its configuration"
    CLASH = "clash", "compare its flags with daemon.json"
    PENDING = "pending", "compare the configuration with the process"
    CLIENT_CA = "client-ca", "check which clients the settings allow"
    SOCKETS = "sockets", "list its TCP sockets"
    PLAINTEXT = "plaintext", "connect in plaintext"
    STRANGERS = "strangers", "connect without a trusted certificate"
    TRUST = "trust", "check whose clients it accepts"
    STALE = "stale", "compare what it serves with its files"
    VALIDITY = "validity", "check the validity of its certificate"
    USAGE = "usage", "check the extended key usage"
    CAS = "cas", "check the validity of the CAs"
    KEYS = "keys", "check who can access the keys"
    LIVE_RESTORE = "live-restore", "check that containers survive a restart"
    API = "api", "compare API versions with the docker CLI"
    ENVIRONMENT = "environment", "check the variables of the docker CLI"
    CLOCK = "clock", "compare the clock with Vault's"
    ROLES = "roles", "check the roles in Vault"

    def found(
        self,
        result: Result,
        summary: str | Sequence[str],
        reason: str | None = None,
        remedy: str | None = None,
    ) -> CheckResult:
        """Return the result; ``summary`` is one line or several.

        A file name, a variable or an answer in them cannot start a line of its own.
        """
        lines = [summary] if isinstance(summary, str) else summary
        return super().found(
            result,
            "\n".join(map(one_line, lines)),
            reason and one_line(reason),
            remedy and one_line(remedy),
        )

    def found_all(self, problems: Sequence[Problem]) -> CheckResult:
        """Return the worst result of at least one problem, with what each of them says."""
        results, summaries, reasons, remedies = zip(*problems, strict=True)
        return self.found(
            max(results, key=lambda result: result.severity),
            summaries,
            "; ".join(dict.fromkeys(reasons)),
            "; ".join(dict.fromkeys(remedies)),
        )


# They are left out without Vault, and with what sudo drops; nothing is then unknown about dockerd.
_OF_OTHERS = {each.identifier for each in (Check.ENVIRONMENT, Check.CLOCK, Check.ROLES)}


def overall(results: Sequence[CheckResult]) -> Result:
    """Return the worst result, which is UNKNOWN if a check of dockerd itself was left out."""
    return worst(
        tuple(
            found
            for found in results
            if found.result is not Result.SKIPPED or found.check not in _OF_OTHERS
        )
    )


def combined(check: Check, parts: Sequence[tuple[str, CheckResult]]) -> CheckResult:
    """Return one result for several objects, each with its name: the worst, and what each has.

    The reason and the remedy are those of the worst.
    """
    if not parts:
        return check.found(Result.OK, "no TLS, or no TCP socket")
    decisive = max((found for _, found in parts), key=lambda found: found.result.severity)
    texts = (f"{name}: {found.summary}" for name, found in parts)
    lines = [line for text in dict.fromkeys(texts) for line in text.split("\n")]
    return check.found(decisive.result, lines, decisive.reason, decisive.remedy)
