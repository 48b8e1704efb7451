"""The forged certificate of a check is as good as a forgery can be, and never touches the disk."""

from __future__ import annotations

from datetime import UTC, datetime

from dockertls_vault.docker.handshake.forged import forge
from tests.certificates import Authority

NOW = datetime.now(UTC)


def test_forgery_has_our_names_and_another_key() -> None:
    """Only the signature tells it from ours."""
    ours = Authority.create("our root").client("alice").certificate
    forged, *others = forge(ours, (), NOW).chain
    assert not others
    assert (forged.subject, forged.issuer) == (ours.subject, ours.issuer)
    assert forged.public_key() != ours.public_key()


def test_forgery_names_a_ca_of_the_servers_list() -> None:
    """Ours if it is listed, else another; also if we have no certificate."""
    root, other = Authority.create("our root"), Authority.create("other root")
    ours = root.client("alice").certificate
    names = [other.certificate.subject, root.certificate.subject]
    forged = [
        forge(ours, names, NOW).chain[0],
        forge(ours, names[:1], NOW).chain[0],
        forge(None, names[:1], NOW).chain[0],
    ]
    assert [certificate.issuer for certificate in forged] == [names[1], names[0], names[0]]
    assert [certificate.subject == ours.subject for certificate in forged] == [True, True, False]
