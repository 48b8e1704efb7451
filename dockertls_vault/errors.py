"""Every way in which a command fails, as one tree.

    DockerTLSError
    ├── InvalidInput              2  a value that makes no sense; nothing was touched
    ├── VerificationError        65  a certificate is not what was asked for
    ├── NameRefused              65  the role, or its issuer, does not allow a name
    ├── UnavailableError         69  Vault, Docker or a program is not there
    │   ├── VaultUnreachable     69  no answer: refused, timed out, not trusted
    │   ├── NotVault             69  something answered that is not Vault
    │   ├── VaultError           69  Vault answered with a failure of its own
    │   │   ├── RequestRefused   69  it refused what it was asked for (HTTP 400)
    │   │   └── NotFound         69  there is no such thing (HTTP 404)
    │   ├── DockerUnavailable    69  the daemon does not answer
    │   └── MissingProgram       69  a program or an optional extra is not installed
    ├── CannotWrite              73  a directory or a file cannot be written
    │   └── ForeignFiles         73  files are there that this tool did not write
    ├── OutputLost               74  the work was done, but stdout took no result
    ├── TryAgain                 75  the same may work a little later
    │   ├── Locked               75  another process works on the same directory
    │   ├── VaultSealed          75  Vault is sealed
    │   ├── NoLeader             75  a cluster without a leader
    │   ├── IssuerTooYoung       75  Vault signs nothing that is valid before its issuer
    │   ├── RateLimited          75  too many requests, to the end of the time for them
    │   └── LeaseQuotaUsedUp     75  Vault gives no more leases until others end
    ├── Denied                   77  Vault does not let us
    │   ├── PolicyDenied         77  the token's policies lack a path or a capability
    │   ├── NoToken              77  neither a token nor a way to log in
    │   ├── TokenRefused         77  expired, revoked, used up or never valid
    │   ├── LoginRefused         77  Vault did not accept the identity
    │   └── WrappedSecretUsed    77  expired, or unwrapped before: possible theft
    ├── ConfigurationError       78  a setting, or what it names in Vault, makes no sense
    │   ├── InvalidSetting       78  a setting in the environment or a file
    │   ├── UnknownAddress       78  the host in Vault's address does not exist
    │   ├── UnknownNamespace     78  Vault has no such namespace
    │   ├── UnknownMount         78  no PKI engine is mounted there, or it has no issuer
    │   ├── UnknownRole          78  the mount has no such role
    │   ├── SigningRefused       78  the role or its issuer does not sign what was asked for
    │   │   ├── KeyRefused       78  the role requires another type of key, or a larger one
    │   │   ├── NoCommonName     78  the role requires a common name, and there is none
    │   │   ├── TTLRefused       78  the issuer ends before the TTL, or the role allows none
    │   │   ├── IssuerExpired    78  the issuer, or each root of the mount, has expired
    │   │   └── IssuerUnusable   78  no issuer, or one without a key or the usage to sign
    │   ├── NotInitialized       78  Vault itself was never initialized
    │   ├── ConflictingState     78  what is there cannot be brought to what was asked
    │   └── ConsentNeeded        78  it would take away or open what nobody asked for
    └── CannotRun               126  the command to run is there, and cannot be started
        └── CommandNotFound     127  there is no such command

The numbers are the exit statuses: sysexits.h's, and for a command that will be run those of
env(1) and ``docker run``. A message is in lower case and without a full stop; ``hint`` says what
to do next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from datetime import datetime


class DockerTLSError(Exception):
    """A failure that is understood: what failed and why, a hint, and an exit status.

    ``problems`` are what is wrong, one by one, where there can be more than one thing; ``acted``
    says that Vault may have done what it was asked for although it failed.
    """

    code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 70
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str = "", problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint
        self.problems = problems
        self.acted = False


class InvalidInput(DockerTLSError):
    code = "invalid-input"
    exit_status = 2


class VerificationError(DockerTLSError):
    """What Vault returned is not what was asked for; carries all mismatches at once."""

    code = "verification-failed"
    exit_status = 65
    default_hint = (
        "nothing was installed; check the role and the issuer in Vault, and which server answers "
        "there"
    )

    def __init__(self, message: str, problems: tuple[str, ...], *, hint: str = "") -> None:
        super().__init__(message, hint=hint, problems=problems)


class NameRefused(DockerTLSError):
    """The role or its issuer does not allow ``names``; none means every address."""

    code = "name-refused"
    exit_status = 65

    def __init__(self, message: str, *, names: tuple[str, ...] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.names = names


class UnavailableError(DockerTLSError):
    code = "unavailable"
    exit_status = 69


class VaultUnreachable(UnavailableError):
    code = "vault-unreachable"
    default_hint = "check the address (VAULT_ADDR, BAO_ADDR), and that the server is up"


class NotVault(UnavailableError):
    code = "not-vault"
    default_hint = "set VAULT_ADDR or BAO_ADDR to the address of Vault or OpenBao itself"


class VaultError(UnavailableError):
    """Vault refused or failed; ``status`` is HTTP's, ``errors`` are Vault's own words."""

    code = "vault-error"
    default_hint = "check the server's log"

    def __init__(
        self, message: str, *, status: int, errors: tuple[str, ...] = (), hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.errors = errors


class RequestRefused(VaultError):
    code = "request-refused"


class NotFound(VaultError):
    code = "not-found"


class DockerUnavailable(UnavailableError):
    code = "docker-unavailable"
    default_hint = "check that dockerd is running and listens on this address"


class MissingProgram(UnavailableError):
    code = "missing-program"


class CannotWrite(DockerTLSError):
    code = "cannot-write"
    exit_status = 73


class ForeignFiles(CannotWrite):
    code = "foreign-files"
    default_hint = "use --replace to overwrite them (a backup is kept)"


class OutputLost(DockerTLSError):
    code = "output-lost"
    exit_status = 74
    default_hint = (
        "free space on stdout's file system; the command completed, and any certificate that it "
        "issued is in use"
    )


class TryAgain(DockerTLSError):
    code = "try-again"
    exit_status = 75


class Locked(TryAgain):
    code = "locked"
    default_hint = "wait for the other dockertls-vault in this directory to finish, then try again"


class VaultSealed(TryAgain):
    code = "vault-sealed"
    default_hint = "unseal it (bao operator unseal), or wait for its auto-unseal"


class NoLeader(TryAgain):
    code = "no-leader"
    default_hint = "try again; a cluster with a quorum elects a leader within seconds"


class IssuerTooYoung(TryAgain):
    """``asked_at`` is when Vault said so, in UTC by its own clock."""

    code = "issuer-too-young"
    default_hint = "try again in a few minutes"

    def __init__(self, message: str, *, asked_at: datetime | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.asked_at = asked_at


class RateLimited(TryAgain):
    code = "rate-limited"
    default_hint = "wait, give a longer --timeout, or have the quota raised"


class LeaseQuotaUsedUp(TryAgain):
    code = "lease-quota-used-up"
    default_hint = (
        "wait for leases to expire, have the lease count quota raised, or use shorter TTLs for "
        "tokens and certificates"
    )


class Denied(DockerTLSError):
    code = "denied"
    exit_status = 77


class PolicyDenied(Denied):
    """``by_policy``: the token's own policies lack something, and nothing else decided it."""

    code = "policy-denied"

    def __init__(self, message: str, *, by_policy: bool = True, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.by_policy = by_policy


class NoToken(Denied):
    code = "no-token"
    default_hint = (
        "set VAULT_TOKEN or BAO_TOKEN, log in with `bao login` or `vault login` (~/.vault-token), "
        "or choose an auth method with --auth"
    )


class TokenRefused(Denied):
    """Expired, revoked, used up, never valid, or not to be used from here (token_bound_cidrs).

    ``why`` are Vault's own words. ``gone``: they say that there is no such token, or none any
    more; OpenBao has the same words for all of these, and its refusals show nothing.
    """

    code = "token-refused"
    default_hint = "log in again"

    def __init__(self, message: str, *, why: str = "", gone: bool = False, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.why = why
        self.gone = gone


class LoginRefused(Denied):
    code = "login-refused"


class WrappedSecretUsed(Denied):
    code = "wrapped-secret-used"
    default_hint = (
        "has its time passed, or has a command of yours unwrapped it, as `dockertls-vault auth` "
        "does? ask for another one; if neither, treat the secret as stolen: revoke it first"
    )


class ConfigurationError(DockerTLSError):
    code = "configuration"
    exit_status = 78


class InvalidSetting(ConfigurationError):
    code = "invalid-setting"


class UnknownAddress(ConfigurationError):
    code = "unknown-address"
    default_hint = "check the address (VAULT_ADDR, BAO_ADDR) and DNS"


class UnknownNamespace(ConfigurationError):
    code = "unknown-namespace"
    default_hint = "check the namespace (--namespace, VAULT_NAMESPACE, BAO_NAMESPACE)"


class UnknownMount(ConfigurationError):
    code = "unknown-mount"
    default_hint = "give the PKI mount with --mount, or create one with `dockertls-vault ca init`"


class UnknownRole(ConfigurationError):
    code = "unknown-role"
    default_hint = "give a role with --role, or create them with `dockertls-vault ca init`"


class SigningRefused(ConfigurationError):
    code = "signing-refused"
    default_hint = "check the role's parameters (bao read MOUNT/roles/ROLE)"


class KeyRefused(SigningRefused):
    code = "key-refused"


class NoCommonName(SigningRefused):
    code = "no-common-name"


class TTLRefused(SigningRefused):
    code = "ttl-refused"


class IssuerExpired(SigningRefused):
    code = "issuer-expired"
    default_hint = (
        "make another issuer the default; to rotate a root: `bao write MOUNT/root/rotate/internal "
        "common_name=NAME not_before_duration=5m`, then `bao write -force MOUNT/root/replace`"
    )


class IssuerUnusable(SigningRefused):
    code = "issuer-unusable"


class NotInitialized(ConfigurationError):
    code = "not-initialized"
    default_hint = "initialize the server first (bao operator init)"


class ConflictingState(ConfigurationError):
    code = "conflicting-state"


class ConsentNeeded(ConfigurationError):
    """Nothing was touched; ``problems`` are what would have been taken away or opened."""

    code = "consent-needed"
    default_hint = "give --yes to confirm"


class CannotRun(DockerTLSError):
    code = "cannot-run"
    exit_status = 126
    default_hint = "check that it is a program and that this user may execute it"


class CommandNotFound(CannotRun):
    code = "command-not-found"
    exit_status = 127
    default_hint = "check that it is installed and in PATH"


def error_types() -> tuple[type[DockerTLSError], ...]:
    """Every error type, parents before children, in the order of the tree above."""

    def below(kind: type[DockerTLSError]) -> list[type[DockerTLSError]]:
        return [kind, *(found for child in kind.__subclasses__() for found in below(child))]

    return tuple(below(DockerTLSError))
