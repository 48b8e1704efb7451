"""Issue a credential: generate the key, have a CSR signed, verify the certificate, install it."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from . import stop
from .certificate.clocks import Clocks
from .certificate.names import LONGEST_COMMON_NAME
from .certificate.request import KeyType, Purpose
from .certificate.schedule import plan
from .credential import preflight, store
from .credential.due import Due, jitter_seed
from .credential.layout import Kind, Layout
from .credential.settle import Settled
from .credential.trust import ALSO_TRUST, warn_of_removed_cas
from .credential.worker import by_worker
from .duration import format_duration, format_time
from .errors import DockerTLSError, InvalidInput, NameNotAllowed, VerificationError
from .files import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from cryptography.x509 import Certificate

    from .certificate.also_trusted import TrustedUntil
    from .certificate.certificate import Description
    from .certificate.chain import Chain
    from .certificate.keys import PrivateKey
    from .certificate.names import Names
    from .certificate.request import Request
    from .certificate.schedule import Schedule
    from .credential.layout import Placement
    from .credential.record import Record
    from .vault.pki import PKI, Signed

    Roots = tuple[Certificate, ...]

DEFAULT_TTL = {Purpose.SERVER: timedelta(days=7), Purpose.CLIENT: timedelta(hours=1)}
# A validity that is shorter than requested by up to this much is due to latency, not to Vault.
_LATENCY = timedelta(seconds=60)


@dataclass(frozen=True)
class Issued:
    """What was issued and installed.

    ``valid_until`` is when the credential stops working: when its chain expires, since the
    certificate may outlive its issuers, or the last root in ca.pem, which may be of another mount.
    ``dropped_names`` are names detected on this machine that the role does not allow;
    ``ttl_capped`` is whether the validity is shorter than ``requested_ttl``; ``backup`` is the
    directory with the files that were overwritten; ``trusted_roots`` are the mount's roots in
    ca.pem, ``also_trusted`` the CAs that it contains besides them until their end dates,
    ``namesakes`` those of them with the name of a root and another key, and ``removed_cas`` those
    in the previous ca.pem that are no longer trusted; ``hooks`` is what became of the hooks, for
    whoever runs them afterwards to fill in.
    """

    purpose: Purpose
    key_type: KeyType
    mount: str
    role: str
    layout: Layout
    certificate: Description
    valid_until: datetime
    renewal_due: datetime
    requested_ttl: timedelta
    ttl_capped: bool
    dropped_names: tuple[str, ...]
    directory: Path
    files: tuple[store.InstalledFile, ...]
    backup: Path | None
    trusted_roots: tuple[Description, ...]
    also_trusted: tuple[TrustedUntil, ...]
    namesakes: tuple[Description, ...]
    removed_cas: tuple[Description, ...]
    warnings: tuple[str, ...]
    hooks: Settled = field(default_factory=Settled)


def server_common_name(names: Names) -> str | None:
    """Return the first DNS name that fits into a common name, which is only for people to read."""
    return next((name for name in names.dns if len(name) <= LONGEST_COMMON_NAME), None)


def issue(
    record: Record,
    place: Placement,
    *,
    signer: PKI,
    trust: PKI,
    drop_refused_names: bool,
    replace_files: bool,
    clock: Callable[[], datetime],
    ends_session: bool = True,
    kept_key: bytes | None = None,
    default_issuer: str | None = None,
    successor_of: str | None = None,
) -> Issued:
    """Issue the credential that ``record`` describes, and install it into ``place``.

    ``signer`` is the mount that signs, ``trust`` the one whose roots go into ca.pem, usually the
    same; ``clock`` returns the time in UTC. With ``drop_refused_names``, names that the role does
    not allow are omitted, unless none would remain. CAs that the new ca.pem no longer trusts are
    logged before anything is signed. ``ends_session`` says that Vault is asked nothing afterwards;
    ``kept_key`` is a private key in PEM to have signed again, and ``default_issuer`` is kept for
    the next renewal (due.py); ``successor_of`` is as for ``store.install``. If anything fails,
    nothing has been installed.
    """
    _refuse_dind_with_two_mounts(record)
    preflight.check(place, replace=replace_files)
    request = record.request
    with _reading_roots(signer, trust, clock) as roots, signer.logging_in() as logged_in:
        # These imports take as long as Vault's response, so they overlap with the login.
        from .certificate import also_trusted, issuers, keys, verify
        from .certificate.certificate import certificates_pem, describe

        key = keys.generate_key(request.key_type) if kept_key is None else keys.load(kept_key)
        try:
            logged_in()
            removed = _removed_cas(place, record, roots, clock)
            keep = ALSO_TRUST if replace_files else ""
            warn_of_removed_cas(request.purpose, removed, keep=keep)
            signed, granted = _sign(request, key, signer, drop_refused_names=drop_refused_names)
        except DockerTLSError as error:
            # If Vault may have acted on the request, the user must hear of that error.
            if not error.acted:
                roots()  # raises if the mount has no valid root, which is then the cause
            raise
        own_roots, trusted_roots = roots()
    with signer.logging_out() if ends_session else nullcontext():
        clocks = Clocks(clock(), signed.date)
        issuers.refuse_expired(signed.chain, clocks.agreed)
        verified = verify.verify(
            signed.certificate,
            signed.chain,
            roots=(*own_roots, *trusted_roots),
            request=granted,
            public_key=key.public_key(),
            clocks=clocks,
        )
        last_root = max(trusted_roots, key=lambda root: root.not_valid_after_utc)
        valid_until = min(verified.valid_until, last_root.not_valid_after_utc)
        # docker:dind verifies the server's certificate with ca.pem only, which needs the chain.
        inner = verified.intermediates if record.layout is Layout.DIND else ()
        also = record.also_trusted
        bundle = also_trusted.bundle(trusted_roots, also, clocks.now)
        namesakes = also_trusted.namesakes(trusted_roots, bundle)
        description = describe(verified.leaf)
        schedule = _schedule(place, clocks.now, valid_until)
        stop.check()  # from here on the installation is completed: it takes milliseconds
        installed = store.install(
            place,
            store.Material(
                ca=certificates_pem((*inner, *bundle)),
                cert=certificates_pem((verified.leaf, *verified.intermediates)),
                key=keys.private_key_pem(key),
                serial=description.serial,
                due=Due(
                    schedule,
                    default_issuer,
                    signed.leased,
                    also_trusted.first_end(bundle, trusted_roots, also),
                ),
            ),
            replace(
                record,
                request=granted,
                also_trusted=also_trusted.as_installed(also, clocks.now),
            ),
            replace=replace_files,
            now=clocks.now,
            successor_of=successor_of,
        )
    return Issued(
        purpose=request.purpose,
        key_type=request.key_type,
        mount=request.mount,
        role=request.role,
        layout=record.layout,
        certificate=description,
        valid_until=valid_until,
        renewal_due=schedule.due,
        requested_ttl=request.ttl,
        ttl_capped=_is_capped(valid_until, request, clocks),
        dropped_names=tuple(name for name in request.names.all if name not in granted.names.all),
        directory=place.directory,
        files=installed.files,
        backup=installed.backup,
        trusted_roots=tuple(map(describe, trusted_roots)),
        also_trusted=tuple(each.described() for each in also_trusted.current(also, clocks.now)),
        namesakes=tuple(map(describe, namesakes)),
        removed_cas=removed,
        warnings=(
            *_cap_warnings(signed, request, valid_until, verified, clocks),
            *signed.warnings,
            *_expiry_warnings(verified),
            *_trust_warnings(last_root, verified),
            *_clock_warnings(clocks),
            *installed.warnings,
        ),
    )


@contextmanager
def _reading_roots(
    signer: PKI, trust: PKI, clock: Callable[[], datetime]
) -> Iterator[Callable[[], tuple[Roots, Roots]]]:
    """Read the roots of both mounts in the background while the block runs.

    Yields a function that waits for the roots of ``signer`` and ``trust`` and returns them; it
    raises what ``issuers.trust_bundle`` raises if ``trust`` has none.
    """
    with ExitStack() as stack:
        read_own = stack.enter_context(signer.reading_issuers())
        read = read_own if trust is signer else stack.enter_context(trust.reading_issuers())

        def roots() -> tuple[Roots, Roots]:
            from .certificate import issuers, verify
            from .certificate.certificate import load_all

            own = load_all(read_own())
            trusted = own if trust is signer else load_all(read())
            found = issuers.trust_bundle(trust.mount, trusted, clock())
            return verify.current_roots(own, clock()), found

        yield roots


def _sign(
    request: Request, key: PrivateKey, signer: PKI, *, drop_refused_names: bool
) -> tuple[Signed, Request]:
    """Have a CSR for the key signed; return the response, and the request without refused names."""
    from .certificate.keys import make_csr

    while True:
        try:
            signed = signer.sign(
                request.role,
                make_csr(key, request.common_name, request.names),
                common_name=request.common_name,
                dns_names=request.names.dns,
                ip_addresses=request.names.addresses,
                ttl=request.ttl,
            )
        except NameNotAllowed as refused:
            names = request.names.without(*refused.names)
            if not drop_refused_names or names == request.names or not names:
                raise
            request = replace(request, names=names, common_name=server_common_name(names))
        else:
            return signed, request


def _is_capped(end: datetime, request: Request, clocks: Clocks) -> bool:
    return end - clocks.earliest < request.ttl - _LATENCY


def _cap_warnings(
    signed: Signed, request: Request, valid_until: datetime, chain: Chain, clocks: Clocks
) -> tuple[str, ...]:
    """Return a warning with the requested TTL and the expiry, which Vault's own warning lacks.

    If a CA in the chain expires first, another warning reports that, and Vault's own is kept.
    """
    end = chain.leaf.not_valid_after_utc
    if end > valid_until or not _is_capped(end, request, clocks):
        return signed.cap_warnings
    left = format_duration(_rounded(end - clocks.agreed))
    warning = (
        f"Vault capped the TTL: requested {format_duration(request.ttl)}, expires "
        f"{format_time(end)} ({left} from now)"
    )
    return (warning,)


def _rounded(left: timedelta) -> timedelta:
    """Round a duration of an hour or more to whole minutes."""
    minute = timedelta(minutes=1)
    return left if left < timedelta(hours=1) - minute else round(left / minute) * minute


def _schedule(place: Placement, now: datetime, end: datetime) -> Schedule:
    """Return when the credential is due, so that none is installed that would never be renewed."""
    if end <= now:
        raise VerificationError(
            f"the certificate is valid until {format_time(end)}, which is over by this machine's "
            "clock",
            (),
            hint="set the clock, or request a longer TTL",
        )
    return plan(now, end, jitter_seed(place.directory))


def _expiry_warnings(chain: Chain) -> tuple[str, ...]:
    """Warn if a CA expires before the certificate (``leaf_not_after_behavior=permit``)."""
    first = chain.first_to_expire
    if first is chain.leaf:
        return ()
    end, own = map(format_time, (chain.valid_until, chain.leaf.not_valid_after_utc))
    warning = (
        f"the certificate is valid only until {end}, when {first.subject.rfc4514_string()!r} in "
        f"its chain expires; its own not_after is {own}"
    )
    return (warning,)


def _trust_warnings(last_root: Certificate, chain: Chain) -> tuple[str, ...]:
    """Warn if ca.pem, with the roots of another mount, expires before the certificate."""
    if chain.valid_until <= last_root.not_valid_after_utc:
        return ()
    warning = (
        f"ca.pem contains no valid root after {format_time(last_root.not_valid_after_utc)}, when "
        f"its last one expires ({last_root.subject.rfc4514_string()!r})"
    )
    return (warning,)


def _clock_warnings(clocks: Clocks) -> tuple[str, ...]:
    if clocks.difference is None:
        return ()
    warning = (
        f"this machine's clock is {clocks.difference}: server and client may disagree on whether a "
        "certificate is valid"
    )
    return (warning,)


def _removed_cas(
    place: Placement,
    record: Record,
    roots: Callable[[], tuple[Roots, Roots]],
    clock: Callable[[], datetime],
) -> tuple[Description, ...]:
    """Describe the CAs in the installed ca.pem that the new one no longer trusts.

    Without an installed ca.pem this does not wait for ``roots``. One that cannot be parsed is
    ignored: dockerd and docker cannot use it either.
    """
    from .certificate import also_trusted, verify
    from .certificate.certificate import load_certificates

    path = place.directory / place.public_names[0]
    try:
        found = load_certificates(by_worker(place, lambda _: reading.read(path)))
    except (OSError, ValueError, VerificationError):
        return ()
    _, trusted = roots()
    now = clock()
    bundle = also_trusted.bundle(trusted, record.also_trusted, now)
    return verify.untrusted(found, bundle, now)


def _refuse_dind_with_two_mounts(record: Record) -> None:
    if record.kind == Kind(Purpose.SERVER, Layout.DIND) and record.trust_mount not in (
        None,
        record.request.mount,
    ):
        raise InvalidInput(
            "docker:dind verifies its own certificate with its ca.pem, which therefore cannot "
            "contain only the roots of another mount",
            hint="omit --trust-mount, or --layout dind",
        )
