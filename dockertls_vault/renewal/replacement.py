"""What takes the place of the credential in use: a new certificate, or only a new ca.pem."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockertls_vault.certificate import also_trusted, verify
from dockertls_vault.certificate.certificate import certificates_pem, fingerprint, serial_text
from dockertls_vault.credential import contents, store
from dockertls_vault.credential.due import Due
from dockertls_vault.credential.layout import Layout
from dockertls_vault.credential.trust import warn_of_removed_cas
from dockertls_vault.issue import issue, server_common_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from dockertls_vault.credential.condition import Condition
    from dockertls_vault.credential.contents import Contents
    from dockertls_vault.credential.record import Record
    from dockertls_vault.issue import Issued

    from .mounts import Mounts
    from .reasons import Policy


def of_certificate(
    found: Condition,
    in_use: Contents | None,
    policy: Policy,
    mounts: Mounts,
    clock: Callable[[], datetime],
) -> tuple[str, ...]:
    """Issue and install a certificate; return warnings, also of names that it lost."""
    record = found.record if found.record.detected_names is None else _detected(found, policy)
    with mounts.asking(with_token=True):
        default = mounts.default_issuer(record)
        mounts.read_issuers(record)
        issued = issue(
            record,
            record.replacing(found.place),
            signer=mounts.signing(record),
            trust=mounts.trusted(record),
            drop_refused_names=record.detected_names is not None,
            replace_files=False,
            ends_session=False,
            clock=clock,
            kept_key=in_use.key if in_use is not None and record.reuse_key else None,
            default_issuer=fingerprint(default),
            successor_of=found.generation,
        )
    return (*_losses(found.record, in_use, issued), *issued.warnings)


def of_trust(found: Condition, in_use: Contents, mounts: Mounts, now: datetime) -> tuple[str, ...]:
    """Install the same certificate and key with the current roots; return warnings."""
    roots, also = mounts.bundle(found.record), found.record.also_trusted
    trusted = also_trusted.bundle(roots, also, now)
    removed = verify.untrusted(in_use.trusted, trusted, now)
    warn_of_removed_cas(found.record.request.purpose, removed)
    inner = in_use.intermediates if found.record.layout is Layout.DIND else ()
    due = Due(contents.schedule_with(found, replace(in_use, trusted=roots, also_trusted=())))
    if found.due is not None:
        due = found.due._replace(schedule=due.schedule)
    material = store.Material(
        ca=certificates_pem((*inner, *trusted)),
        cert=certificates_pem((in_use.leaf, *in_use.intermediates)),
        key=in_use.key,
        serial=serial_text(in_use.leaf),
        due=due._replace(trusted_until=also_trusted.first_end(trusted, roots, also)),
    )
    place = found.record.replacing(found.place)
    record = replace(found.record, also_trusted=also_trusted.as_installed(also, now))
    installed = store.install(
        place, material, record, replace=False, now=now, successor_of=found.generation
    )
    return installed.warnings


def _losses(record: Record, in_use: Contents | None, issued: Issued) -> Iterator[str]:
    """Yield a warning for what the new certificate lacks of the one in use."""
    if in_use is None:
        if record.reuse_key:
            yield "the private key could not be reused, so a new one was generated"
        return
    described = issued.certificate
    has = (*described.dns_names, *described.ip_addresses)
    lost = [name for name in in_use.names.all if name not in has]
    if refused := [name for name in lost if name in issued.dropped_names]:
        yield (
            f"the new certificate lacks {', '.join(refused)}, which the role {issued.role} or its "
            "issuer no longer allows"
        )
    if gone := [name for name in lost if name not in refused]:
        yield f"the new certificate lacks {', '.join(gone)}, which this machine no longer has"


def _detected(found: Condition, policy: Policy) -> Record:
    """Return the record with the names of this machine now."""
    names = policy.detect()
    request = replace(found.record.request, names=names, common_name=server_common_name(names))
    return replace(found.record, request=request, detected_names=names)
