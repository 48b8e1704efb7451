"""Every way a command can fail, as one tree.

    DockerTLSError
    ├── InvalidInput                  2  a value is invalid; nothing was changed
    ├── VerificationError            65  a certificate is not what was requested
    ├── NameNotAllowed               65  the role or its issuer does not allow a name
    ├── UnavailableError             69  Vault, Docker or a program is not available
    │   ├── VaultUnreachable         69  connection refused, timed out, or TLS not trusted
    │   ├── NotVault                 69  the server that answered is not Vault
    │   ├── VaultError               69  Vault returned an error
    │   │   ├── RequestRejected      69  Vault rejected the request (HTTP 400)
    │   │   └── NotFound             69  Vault has nothing at this path (HTTP 404)
    │   ├── DockerUnavailable        69  the daemon does not answer
    │   ├── MissingDependency        69  a program or an optional extra is not installed
    │   └── RenewalOverdue           69  a renewal failed, and the certificate has expired
    ├── HookFailed                   71  a hook failed; the credential is installed
    ├── CannotWrite                  73  a file or directory cannot be written
    │   └── UnmanagedFiles           73  dockertls-vault did not create the existing files
    ├── OutputLost                   74  the command completed, but stdout could not be written
    ├── TryAgain                     75  a temporary failure; a retry may succeed
    │   ├── RenewalFailed            75  a renewal failed; the certificate is still valid
    │   ├── Locked                   75  another process is working in the same directory
    │   ├── VaultSealed              75  Vault is sealed
    │   ├── NoLeader                 75  the cluster has no leader
    │   ├── IssuerTooNew             75  Vault refuses a validity that starts before its issuer's
    │   ├── RateLimited              75  Vault was still limiting requests when the timeout ended
    │   └── LeaseQuotaExceeded       75  Vault grants no lease until others expire
    ├── CheckFailed                  76  dockerd on this host fails its check
    ├── Denied                       77  Vault denied access
    │   ├── PermissionDenied         77  the token's policies lack a path or a capability
    │   ├── NoToken                  77  no token, and no auth method to log in with
    │   ├── TokenRejected            77  the token is expired, revoked, used up or unknown
    │   ├── LoginDenied              77  Vault denied the login
    │   └── WrappingTokenInvalid     77  expired or already unwrapped: possibly stolen
    ├── ConfigurationError           78  a setting, or what it names in Vault, is wrong
    │   ├── InvalidSetting           78  an environment variable or a file has an invalid value
    │   ├── UnknownHost              78  the host in Vault's address does not exist
    │   ├── UnknownNamespace         78  Vault has no such namespace
    │   ├── UnknownMount             78  no PKI engine is mounted there, or it has no issuer
    │   ├── UnknownRole              78  the mount has no such role
    │   ├── SigningRefused           78  the role or its issuer refuses to sign the request
    │   │   ├── KeyNotAllowed        78  the role requires another key type or a larger key
    │   │   ├── CommonNameRequired   78  the role requires a common name; the request has none
    │   │   ├── TTLNotAllowed        78  the issuer expires too soon, or the role sets the expiry
    │   │   ├── IssuerExpired        78  the issuer, or every root of the mount, has expired
    │   │   └── IssuerUnusable       78  no issuer has a key and the usage to sign
    │   ├── NotInitialized           78  Vault has not been initialized
    │   ├── ConflictingState         78  existing state conflicts with the request
    │   ├── LiveRestoreOff           78  a restart of dockerd would stop containers
    │   ├── ConfirmationRequired     78  the plan needs --yes; nothing was changed
    │   └── SetUpFailed              78  dockerd failed with the set-up, which was put back
    └── CannotRun                   126  the command exists but cannot be started
        └── CommandNotFound         127  the command does not exist

The numbers are exit statuses: those of sysexits.h, and for a command that is run on behalf of the
user those of env(1) and ``docker run``. A message is lower case, without a full stop; ``hint`` says
what to do next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from datetime import datetime


class DockerTLSError(Exception):
    """An expected failure: what failed and why, a hint, and an exit status.

    ``problems`` lists each thing that is wrong, when there can be several; ``acted`` is true if
    Vault may have carried out the request even though it failed.
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
    """What Vault returned is not what was requested; ``problems`` has every mismatch."""

    code = "verification-failed"
    exit_status = 65
    default_hint = (
        "nothing was installed; check the role and the issuer in Vault, and which server answers "
        "there"
    )

    def __init__(self, message: str, problems: tuple[str, ...], *, hint: str = "") -> None:
        super().__init__(message, hint=hint, problems=problems)


class NameNotAllowed(DockerTLSError):
    """The role or its issuer does not allow ``names``; empty if it allows no IP address at all."""

    code = "name-not-allowed"
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
    """Vault returned an error: the HTTP ``status``, and ``errors`` as Vault words them."""

    code = "vault-error"
    default_hint = "check the server's log"

    def __init__(
        self, message: str, *, status: int, errors: tuple[str, ...] = (), hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.errors = errors


class RequestRejected(VaultError):
    code = "request-rejected"


class NotFound(VaultError):
    code = "not-found"


class DockerUnavailable(UnavailableError):
    code = "docker-unavailable"
    default_hint = "check that dockerd is running and listens on this address"


class MissingDependency(UnavailableError):
    code = "missing-dependency"


class RenewalOverdue(UnavailableError):
    """A renewal failed, and the certificate in use has expired."""

    code = "renewal-overdue"


class HookFailed(DockerTLSError):
    """A hook failed after a swap: ``command`` as its arguments, and ``reason``."""

    code = "hook-failed"
    exit_status = 71
    default_hint = (
        "the credential is installed; fix the cause, then run `dockertls-vault renew`, which runs "
        "the hook again"
    )

    def __init__(
        self, message: str, *, command: tuple[str, ...] = (), reason: str = "", hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.command = command
        self.reason = reason


class CannotWrite(DockerTLSError):
    code = "cannot-write"
    exit_status = 73


class UnmanagedFiles(CannotWrite):
    code = "unmanaged-files"
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


class RenewalFailed(TryAgain):
    """A renewal failed; the certificate in use is still valid."""

    code = "renewal-failed"


class Locked(TryAgain):
    code = "locked"
    default_hint = "wait for the other dockertls-vault in this directory to finish, then try again"


class VaultSealed(TryAgain):
    code = "vault-sealed"
    default_hint = "unseal it (bao operator unseal), or wait for its auto-unseal"


class NoLeader(TryAgain):
    code = "no-leader"
    default_hint = "try again; a cluster with a quorum elects a leader within seconds"


class IssuerTooNew(TryAgain):
    """``asked_at`` is when Vault refused, in UTC by Vault's clock."""

    code = "issuer-too-new"
    default_hint = "try again in a few minutes"

    def __init__(self, message: str, *, asked_at: datetime | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.asked_at = asked_at


class RateLimited(TryAgain):
    code = "rate-limited"
    default_hint = "wait, use a longer --timeout, or have the quota raised"


class LeaseQuotaExceeded(TryAgain):
    code = "lease-quota-exceeded"
    default_hint = (
        "wait for leases to expire, have the lease count quota raised, or use shorter TTLs for "
        "tokens and certificates"
    )


class CheckFailed(DockerTLSError):
    """dockerd on this host fails its check, and ``problems`` is what is wrong with it.

    ``admits_anyone`` is true if it accepts clients without a trusted certificate, or could.
    """

    code = "check-failed"
    exit_status = 76

    def __init__(
        self,
        message: str,
        problems: tuple[str, ...] = (),
        *,
        admits_anyone: bool = False,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint, problems=problems)
        self.admits_anyone = admits_anyone


class Denied(DockerTLSError):
    code = "denied"
    exit_status = 77


class PermissionDenied(Denied):
    """``by_policy`` is true if the token's policies lack something, and no other rule decided."""

    code = "permission-denied"

    def __init__(self, message: str, *, by_policy: bool = True, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.by_policy = by_policy


class NoToken(Denied):
    code = "no-token"
    default_hint = (
        "set VAULT_TOKEN or BAO_TOKEN, log in with `bao login` or `vault login` (~/.vault-token), "
        "or choose an auth method with --auth"
    )


class TokenRejected(Denied):
    """Expired, revoked, used up, unknown, or not valid from this address (token_bound_cidrs).

    ``why`` is Vault's message. ``gone`` is true if that message says the token does not exist.
    OpenBao has one message for all of these cases, so its message proves nothing.
    """

    code = "token-rejected"
    default_hint = "log in again"

    def __init__(self, message: str, *, why: str = "", gone: bool = False, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.why = why
        self.gone = gone


class LoginDenied(Denied):
    code = "login-denied"


class WrappingTokenInvalid(Denied):
    code = "wrapping-token-invalid"
    default_hint = (
        "request a new one; if it had not expired and no command of yours unwrapped it "
        "(`dockertls-vault auth` does), treat the secret as stolen and revoke it first"
    )


class ConfigurationError(DockerTLSError):
    code = "configuration"
    exit_status = 78


class InvalidSetting(ConfigurationError):
    code = "invalid-setting"


class UnknownHost(ConfigurationError):
    code = "unknown-host"
    default_hint = "check the address (VAULT_ADDR, BAO_ADDR) and DNS"


class UnknownNamespace(ConfigurationError):
    code = "unknown-namespace"
    default_hint = "check the namespace (--namespace, VAULT_NAMESPACE, BAO_NAMESPACE)"


class UnknownMount(ConfigurationError):
    code = "unknown-mount"
    default_hint = "set the PKI mount with --mount, or create one with `dockertls-vault ca init`"


class UnknownRole(ConfigurationError):
    code = "unknown-role"
    default_hint = "set a role with --role, or create them with `dockertls-vault ca init`"


class SigningRefused(ConfigurationError):
    code = "signing-refused"
    default_hint = "check the role's parameters (bao read MOUNT/roles/ROLE)"


class KeyNotAllowed(SigningRefused):
    code = "key-not-allowed"


class CommonNameRequired(SigningRefused):
    code = "common-name-required"


class TTLNotAllowed(SigningRefused):
    code = "ttl-not-allowed"


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


class LiveRestoreOff(ConfigurationError):
    """A reload did not switch it on; ``problems`` are the containers that a restart would stop."""

    code = "live-restore-off"


class ConfirmationRequired(ConfigurationError):
    """Nothing was changed; ``problems`` lists what the plan would do to others.

    That is access that it removes or widens, or containers that it stops.
    """

    code = "confirmation-required"


class SetUpFailed(ConfigurationError):
    """A step or the proof of a set-up failed; the message says whether it was put back."""

    code = "set-up-failed"


class CannotRun(DockerTLSError):
    code = "cannot-run"
    exit_status = 126
    default_hint = "check that it is a program and that this user may execute it"


class CommandNotFound(CannotRun):
    code = "command-not-found"
    exit_status = 127
    default_hint = "check that it is installed and in PATH"


def error_types() -> tuple[type[DockerTLSError], ...]:
    """Return every error type, parents before children, in the order of the tree above."""

    def subtree(root: type[DockerTLSError]) -> list[type[DockerTLSError]]:
        return [root, *(found for child in root.__subclasses__() for found in subtree(child))]

    return tuple(subtree(DockerTLSError))
