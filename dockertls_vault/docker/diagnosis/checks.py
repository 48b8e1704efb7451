"""The checks of a report, in order, and the one way to state what a check found."""

from __future__ import annotations

from enum import Enum

from .report import CheckResult, Result


class Checks(Enum):
    """A check: its identifier in JSON, which never changes, and its description for people."""

    def __init__(self, identifier: str, description: str) -> None:
        self.identifier = identifier
        self.description = description

    def found(
        self,
        result: Result,
        summary: str,
        reason: str | None = None,
        remedy: str | None = None,
    ) -> CheckResult:
        """Return the result; leave out ``reason`` and ``remedy`` if nothing is wrong."""
        return CheckResult(self.identifier, result, self.description, summary, reason, remedy)

    def skipped(self, reason: str) -> CheckResult:
        """Return the result of a check that was not run."""
        return self.found(Result.SKIPPED, reason)


class Check(Checks):
    """The checks of a daemon from outside."""

    CREDENTIAL = "credential", "load the client credential"
    PORT = "port", "connect"
    PLAINTEXT = "plaintext", "connect in plaintext"
    NO_CERTIFICATE = "no-certificate", "connect without a client certificate"
    FORGED_CERTIFICATE = "forged-certificate", "connect with a forged client certificate"
    TRUST = "trust", "check whose clients it accepts"
    VERSION = "version", "connect with the client certificate"
    NAME = "name", "match the name against the SANs"
    CHAIN = "chain", "verify the chain against ca.pem"
    VALIDITY = "validity", "check its validity"
    USAGE = "usage", "check its extended key usage"
