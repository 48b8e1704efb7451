"""Roots with name constraints that OpenBao would drop: excluded domains and address ranges.

OpenBao signs the root with everything else and exports its key for a moment: the constraints are
added, and the root is imported again. An intermediate's are dropped as in OpenBao, since the key of
its issuer cannot be exported.
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from . import signed

if TYPE_CHECKING:
    from .exchange import Answer, Forward, Request

_GENERATE = re.compile(
    r"(?P<mount>.+)/(?P<verb>issuers/generate/root|root/generate|root/rotate)/(internal|exported)"
)
_PERMITTED = {"permitted_dns_domains": x509.DNSName, "permitted_ip_ranges": x509.IPAddress}
_EXCLUDED = {"excluded_dns_domains": x509.DNSName, "excluded_ip_ranges": x509.IPAddress}
_OPENBAO_KNOWS = "permitted_dns_domains"


def constrained_roots(request: Request, forward: Forward) -> Answer:
    """Create a root with all of the name constraints that Vault supports."""
    found = _GENERATE.fullmatch(request.path)
    asked = request.json
    constraints = {name: asked[name] for name in (*_PERMITTED, *_EXCLUDED) if asked.get(name)}
    if found is None or constraints.keys() <= {_OPENBAO_KNOWS}:
        return forward(request)
    mount = found["mount"]
    rest = {name: value for name, value in asked.items() if name not in constraints}
    made = forward(request.asking("POST", f"{mount}/{found['verb']}/exported", rest))
    if not made.is_success:
        return made
    pem = _constrained(made, constraints)
    issuer = _put_back(request, forward, mount, made, pem)
    internal = request.path.endswith("/internal")
    hidden = dict.fromkeys(("private_key", "private_key_type")) if internal else {}
    return made.with_data(certificate=pem, issuing_ca=pem, issuer_id=issuer, **hidden)


def _constrained(made: Answer, constraints: dict[str, Any]) -> str:
    """Return the root, signed again with the constraints."""
    root = signed.certificate(made)
    key: Any = serialization.load_pem_private_key(made.data["private_key"].encode(), None)
    builder = (
        x509.CertificateBuilder()
        .subject_name(root.subject)
        .issuer_name(root.issuer)
        .public_key(root.public_key())
        .serial_number(root.serial_number)
        .not_valid_before(root.not_valid_before_utc)
        .not_valid_after(root.not_valid_after_utc)
    )
    for extension in root.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    permitted = _subtrees(constraints, _PERMITTED)
    excluded = _subtrees(constraints, _EXCLUDED)
    builder = builder.add_extension(x509.NameConstraints(permitted, excluded), critical=True)
    algorithm: Any = root.signature_hash_algorithm
    again = builder.sign(key, algorithm)
    return again.public_bytes(serialization.Encoding.PEM).decode().strip()


def _subtrees(constraints: dict[str, Any], kinds: dict[str, Any]) -> list[x509.GeneralName] | None:
    """Return the subtrees; a parameter is a list, or text with commas."""
    found: list[x509.GeneralName] = []
    for name, kind in kinds.items():
        given = constraints.get(name, [])
        texts = given.split(",") if isinstance(given, str) else given
        found += [kind(ip_network(text) if kind is x509.IPAddress else text) for text in texts]
    return found or None


def _put_back(request: Request, forward: Forward, mount: str, made: Answer, pem: str) -> str:
    """Replace the root that OpenBao created by the new one; return its ID."""
    old = made.data["issuer_id"]
    default = forward(request.asking("GET", f"{mount}/config/issuers")).data.get("default")
    forward(request.asking("DELETE", f"{mount}/issuer/{old}"))
    imported = forward(request.asking("POST", f"{mount}/issuers/import/cert", {"pem_bundle": pem}))
    (new,) = imported.data["imported_issuers"]
    if made.data.get("issuer_name"):
        name = {"issuer_name": made.data["issuer_name"]}
        forward(request.asking("POST", f"{mount}/issuer/{new}", name))
    if default == old:
        forward(request.asking("POST", f"{mount}/config/issuers", {"default": new}))
    return str(new)
