"""Why one end rejects the other's certificate, and what to do about it; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockertls_vault.certificate.certificate import is_signed_by
from dockertls_vault.docker.handshake.outcome import Engine, listed

from .remedies import RESTART

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.x509 import Certificate, Name


@dataclass(frozen=True)
class Cause:
    """Why a check failed, and what to do."""

    reason: str
    remedy: str | None


ACCEPTS_STRANGERS = {
    Engine.DOCKER: Cause(
        "anyone who can reach the port is root on that host",
        "set tlsverify to true, and tlscacert to your client CA (without it any certificate "
        "under the system's roots is accepted), and restart dockerd",
    ),
    Engine.PODMAN: Cause(
        "anyone who can reach the port acts as the user who runs Podman, often root",
        "start Podman's service with --tls-client-ca, your client CA",
    ),
}


def explain_refusal(
    authorities: Sequence[Name],
    chain: Sequence[Certificate],
    roots: Sequence[Certificate],
    on_the_wire: Certificate | None,
) -> Cause | None:
    """Return why a daemon rejects our ``chain``, as far as its CAs and its certificate show.

    A daemon that was not restarted since the CA was rotated still presents a certificate that
    one of our ``roots`` issued before the CA of our own existed. Return None if nothing shows why.
    """
    if not chain:
        return None
    issuer = chain[-1].issuer
    ca = next((root for root in roots if is_signed_by(chain[-1], root)), None)
    if ca and on_the_wire and _predates(on_the_wire, ca, roots):
        return Cause(
            f"the CA was rotated: {listed([issuer])}, which signed ours, is newer than the "
            "certificate that the daemon presents",
            f"{RESTART}; if it still rejects us, issue its certificate again (dockertls-vault "
            "issue server)",
        )
    if authorities and not {certificate.issuer for certificate in chain} & set(authorities):
        return Cause(
            f"it accepts clients of {listed(authorities)}; our certificate was issued by "
            f"{listed([issuer])}, or cert.pem lacks an intermediate between the two",
            f"if the daemon's tlscacert already contains that CA, {RESTART}; otherwise add the "
            "CA and restart",
        )
    return None


def _predates(on_the_wire: Certificate, ca: Certificate, roots: Sequence[Certificate]) -> bool:
    """Tell whether one of ``roots`` issued the daemon's certificate before ``ca`` existed."""
    is_ours = any(root.subject == on_the_wire.issuer for root in roots)
    return is_ours and on_the_wire.not_valid_before_utc < ca.not_valid_before_utc


def explain_distrust(
    certificate: Certificate, roots: Sequence[Certificate], reason: str, add_root: str
) -> Cause:
    """Return why a daemon's ``certificate`` does not chain to ``roots``.

    ``reason`` is OpenSSL's, ``add_root`` the remedy that adds the daemon's root to ours. If the
    certificate is older than our roots, a restart of dockerd is the first thing to try.
    """
    namesakes = [root for root in roots if root.subject == certificate.issuer]
    start = certificate.not_valid_before_utc
    is_older = all(start < root.not_valid_before_utc for root in namesakes or roots)
    if any(is_signed_by(certificate, root) for root in namesakes):
        return Cause(
            f"the root is one of ours, but a certificate in the chain is rejected ({reason})",
            add_root,
        )
    if namesakes and is_older:
        return Cause(
            "the CA has the name of one of our roots but another key: it was recreated after this "
            "certificate was issued",
            f"{RESTART}; if it still presents this certificate, issue it again: dockertls-vault "
            "issue server",
        )
    if namesakes:
        return Cause(
            "the CA has the name of one of our roots but another key: it was recreated", add_root
        )
    if is_older:
        return Cause(
            "its issuer is not among our roots, which are newer than it: the CA was rotated since "
            "dockerd started, it belongs to another CA, or dockerd's tlscert lacks an intermediate",
            f"if the CA was rotated, {RESTART}; otherwise: {add_root}",
        )
    return Cause(
        "its issuer is not among our roots: it belongs to another CA, or dockerd's tlscert lacks "
        "an intermediate",
        add_root,
    )
