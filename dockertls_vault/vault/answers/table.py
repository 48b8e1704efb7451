"""What Vault's responses mean, in one table: by status, message and path; pure.

The messages are those of Vault and OpenBao (tests/vault/answers/test_table.py quotes them in full).
The first row that fits decides whether and where the request is sent again, and which error it is.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from dockertls_vault.errors import (
    DockerTLSError,
    LeaseQuotaExceeded,
    LoginDenied,
    NoLeader,
    NotFound,
    NotVault,
    PermissionDenied,
    RateLimited,
    RequestRejected,
    TokenRejected,
    TryAgain,
    UnknownMount,
    UnknownNamespace,
    VaultError,
    VaultSealed,
    VaultUnreachable,
    WrappingTokenInvalid,
)

from .meaning import Refusal, Row, Verdict, row
from .signing import SIGNING

if TYPE_CHECKING:
    from dockertls_vault.settings.address import Address

    from .answer import Answer

_CAPABILITIES = {"GET": "read", "LIST": "list", "DELETE": "delete", "PATCH": "patch"}
# Every successful response of Vault has one of these, except those below.
_SUCCESS = {"request_id", "lease_id", "data", "auth", "wrap_info", "errors"}
_BARE = {"sys/health", "sys/leader"}
_LOGIN = r"^auth/.+/login(/[^/]+)?$"
_ANY = ()
_KINDS = {400: RequestRejected, 404: NotFound}


@dataclass(frozen=True)
class Meaning:
    """What follows from a response; ``fault`` is None for a success.

    ``wait`` is the server's Retry-After in seconds. ``acted`` is true if the server may have
    carried out the request although it failed.
    """

    verdict: Verdict
    fault: DockerTLSError | None = None
    acted: bool = False
    wait: float = 0.0


def read(method: str, path: str, address: Address, answer: Answer) -> Meaning:
    """Return what ``answer`` means for a request; ``path`` has no ``/v1/``."""
    part = rows(path, answer)
    if not part:
        return Meaning(Verdict.FINAL)
    errors = answer.errors or ((answer.text,) if answer.text else ())
    refusal = Refusal(method, path, address, answer.status, errors, answer.headers, answer.date)
    fitting, refusal = _first(part, refusal)
    wait = _retry_after(refusal) if fitting.verdict is Verdict.BACK_OFF else 0.0
    return Meaning(fitting.verdict, fitting.error(refusal), acted=fitting.acted, wait=wait)


def is_redirect(answer: Answer) -> bool:
    """Tell whether ``answer`` is a redirect."""
    return 300 <= answer.status < 400


def rows(path: str, answer: Answer) -> tuple[Row, ...]:
    """Return the rows of the table that apply to ``answer``; empty for a success."""
    if is_redirect(answer):
        return REDIRECTS
    if not _is_vaults(path, answer):
        return NOT_VAULT
    return () if answer.status < 300 else VAULT


def _first(rows: tuple[Row, ...], refusal: Refusal) -> tuple[Row, Refusal]:
    """Return the first row that fits, and the refusal with its match; the last row always fits."""
    found = ((row, match) for row in rows if (match := row.search(refusal)))
    fitting, match = next(found)
    return fitting, dataclasses.replace(refusal, match=match, path=unquote(refusal.path))


def _is_vaults(path: str, answer: Answer) -> bool:
    """Tell whether this may be Vault's: its errors always have an ``errors`` list, maybe empty."""
    if answer.body is None:
        return answer.empty and answer.status < 400
    if answer.status >= 400:
        return isinstance(answer.body.get("errors"), list)
    return path in _BARE or not _SUCCESS.isdisjoint(answer.body)


def _retry_after(refusal: Refusal) -> float:
    """Return Retry-After in seconds; Vault never sends it as a date."""
    text = refusal.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else 0.0


def _not_vault(refusal: Refusal) -> NotVault:
    kind = refusal.headers.get("Content-Type", "").partition(";")[0]
    what = f"HTTP {refusal.status}, {kind}" if kind else f"HTTP {refusal.status}"
    return NotVault(f"{refusal.address} did not respond like Vault ({what})")


def _not_behind_it(refusal: Refusal) -> VaultUnreachable:
    return VaultUnreachable(
        f"the server at {refusal.address} cannot reach Vault (HTTP {refusal.status})",
        hint="check that Vault is up behind this proxy or load balancer",
    )


def _speaks_tls(refusal: Refusal) -> VaultUnreachable:
    return VaultUnreachable(
        f"{refusal.address} speaks TLS",
        hint=f"is it {dataclasses.replace(refusal.address, scheme='https')}?",
    )


def _proxy_login(refusal: Refusal) -> VaultUnreachable:
    return VaultUnreachable(
        f"the proxy for {refusal.address} requires credentials (HTTP {refusal.status})",
        hint="put them into the proxy's URL, or bypass the proxy (NO_PROXY)",
    )


def _redirects(refusal: Refusal) -> VaultError:
    return VaultError(
        f"{refusal.address} redirects again after a redirect",
        status=refusal.status,
        hint="check that each node's api_addr is its own address, not that of a load balancer",
    )


def _rate_limited(refusal: Refusal) -> RateLimited:
    seconds = _retry_after(refusal)
    return RateLimited(
        f"Vault rate-limited the request: {refusal.message}",
        hint=f"try again in {seconds:.0f} s, as Vault requests" if seconds else "",
    )


def _lease_quota(refusal: Refusal) -> LeaseQuotaExceeded:
    return LeaseQuotaExceeded(f"Vault's lease count quota is exceeded: {refusal.message}")


def _overloaded(refusal: Refusal) -> RateLimited:
    return RateLimited(f"Vault at {refusal.address} is overloaded: {refusal.message}")


def _stale(refusal: Refusal) -> TryAgain:
    return TryAgain(
        f"{refusal.address} has not yet replicated the last write: {refusal.message}",
        hint="a standby lags behind the leader; try again, or use the leader's address",
    )


def _sealed(refusal: Refusal) -> VaultSealed:
    return VaultSealed(f"Vault at {refusal.address} is sealed")


def _no_leader(refusal: Refusal) -> NoLeader:
    return NoLeader(f"the cluster at {refusal.address} has no leader: {refusal.message}")


def _canceled(refusal: Refusal) -> VaultError:
    return VaultError(
        f"{refusal.address} canceled the request for {refusal.path}: {refusal.message}",
        status=refusal.status,
        errors=refusal.errors,
        hint="if it is OpenBao 2.5.0, restart it and upgrade to 2.5.1 or later; otherwise check "
        "the server's log",
    )


def _login_denied(refusal: Refusal) -> LoginDenied:
    return LoginDenied(f"Vault denied the login at {refusal.path}: {refusal.message}")


def _wrapping_token_invalid(refusal: Refusal) -> WrappingTokenInvalid:
    return WrappingTokenInvalid(
        f"the wrapping token has expired or was already unwrapped: {refusal.message}"
    )


def _token_rejected(refusal: Refusal) -> TokenRejected:
    return TokenRejected(f"Vault rejected the token: {refusal.message}", why=refusal.message)


def _token_unknown(refusal: Refusal) -> TokenRejected:
    return TokenRejected(
        f"Vault rejected the token: {refusal.message}", why=refusal.message, gone=True
    )


def _token_used_up(_refusal: Refusal) -> TokenRejected:
    # This request, a lookup of the token itself, was its last use.
    return TokenRejected(
        "the token is used up: this was its last use",
        why="this was its last use",
        gone=True,
        hint="use a token with more uses (num_uses), or log in again",
    )


def _not_allowed(refusal: Refusal) -> PermissionDenied:
    capability = _CAPABILITIES.get(refusal.method, "update")
    return PermissionDenied(
        f"the token's policies do not allow {capability!r} on {refusal.path!r}",
        hint=f'add to the policy: path "{refusal.path}" {{ capabilities = ["{capability}"] }}',
    )


def _nothing_below(refusal: Refusal) -> PermissionDenied:
    path = refusal.match["path"] if refusal.match else refusal.path
    return PermissionDenied(
        f"the token's policies grant nothing below {path!r}",
        hint="`dockertls-vault auth` shows what the policy needs",
    )


def _denied(refusal: Refusal) -> PermissionDenied:
    return PermissionDenied(
        f"Vault denied {refusal.method} on {refusal.path!r}: {refusal.message}",
        by_policy=False,
        hint="ask the operator of Vault: it is not only the token's policies that deny this",
    )


def _no_namespace(_refusal: Refusal) -> UnknownNamespace:
    return UnknownNamespace("no such namespace in Vault")


def _no_mount(refusal: Refusal) -> UnknownMount:
    return UnknownMount(f"nothing is mounted in Vault for {refusal.path!r}")


def _failed(refusal: Refusal) -> VaultError:
    verb = "rejected" if refusal.status < 500 else "failed at"
    kind = _KINDS.get(refusal.status, VaultError)
    return kind(
        f"Vault {verb} {refusal.path}: {refusal.message}",
        status=refusal.status,
        errors=refusal.errors,
    )


NOT_VAULT = (
    row((502, 503, 504), "", Verdict.NEXT_NODE, _not_behind_it, acted=True),
    row(407, "", Verdict.NEVER_HERE, _proxy_login),
    # The messages of Go servers, nginx and Apache.
    row(
        400,
        r"HTTP request to an HTTPS server|plain HTTP request was sent to HTTPS port|"
        r"speaking plain HTTP to an SSL-enabled",
        Verdict.NEVER_HERE,
        _speaks_tls,
    ),
    row(_ANY, "", Verdict.NEVER_HERE, _not_vault, acted=True),
)

REDIRECTS = (row(_ANY, "", Verdict.REDIRECT, _redirects),)

VAULT = (
    # A node that cannot answer now.
    row(429, r"lease count quota", Verdict.FINAL, _lease_quota),
    # A standby of OpenBao sends no message with it.
    row(429, r"^HTTP 429$", Verdict.NEXT_NODE, _stale),
    row(412, "", Verdict.NEXT_NODE, _stale),
    row(429, "", Verdict.BACK_OFF, _rate_limited),
    row(503, r"sealed", Verdict.NEXT_NODE, _sealed),
    row(503, r"overloaded", Verdict.BACK_OFF, _overloaded),
    row(503, "", Verdict.NEXT_NODE, _no_leader),
    row((502, 504), "", Verdict.NEXT_NODE, _no_leader, acted=True),
    row(
        500,
        r"active cluster node not found|node not active|not the leader",
        Verdict.NEXT_NODE,
        _no_leader,
    ),
    # A leader that steps down: the request may or may not have been replicated.
    row(
        500,
        r"leadership lost|leadership transfer|forwarding RPC",
        Verdict.NEXT_NODE,
        _no_leader,
        acted=True,
    ),
    # The same, or a bug in OpenBao 2.5.0 that persists until a restart (openbao#2472).
    row(500, r"context canceled", Verdict.BRIEFLY, _canceled, acted=True),
    row(
        400,
        r"^(1 error occurred: \* )?forwarding via header .*disabled",
        Verdict.NO_FORWARDING,
        _failed,
    ),
    row(404, r"namespace not found", Verdict.FINAL, _no_namespace),
    # Authentication.
    row((400, 401, 403, 404), "", Verdict.FINAL, _login_denied, path=_LOGIN),
    row((400, 403, 404), "", Verdict.FINAL, _wrapping_token_invalid, path=r"^sys/wrapping/"),
    row(403, r"invalid token", Verdict.FINAL, _token_unknown),
    row(403, r"^permission denied$", Verdict.FINAL, _token_rejected),
    row(400, r"^1 error occurred: \* invalid token$", Verdict.FINAL, _token_used_up),
    row(400, r"^(1 error occurred: \* )?missing client token", Verdict.FINAL, _token_rejected),
    # Authorization; Sentinel has other messages.
    row(403, r"^1 error occurred: \* permission denied$", Verdict.FINAL, _not_allowed),
    row(403, r'preflight capability check .*path "(?P<path>[^"]*)"', Verdict.FINAL, _nothing_below),
    row(403, "", Verdict.FINAL, _denied),
    # What exists in Vault.
    *SIGNING,
    row(404, r"no handler for route", Verdict.LAGGING, _no_mount),
    row(400, r"No secret engine mount", Verdict.FINAL, _no_mount),
    row((500, 502, 504), "", Verdict.FINAL, _failed, acted=True),
    row(_ANY, "", Verdict.FINAL, _failed),
)
