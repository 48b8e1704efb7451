"""The table for certificate/ without the verification: names, keys, issuers, constraints."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .mutant import Rows, Table

_CERTIFICATE: Rows = (
    (
        "a truncated PEM is rejected",
        'if data.count(b"-----BEGIN ") != len(certificates):',
        "if False:",
    ),
    (
        "a malformed extension is rejected",
        "            describe(certificate)\n            certificate.public_key()\n",
        "            certificate.public_key()\n",
    ),
    ("an unknown X.509 version is rejected", "        x509.InvalidVersion,\n", ""),
    (
        "a root is signed by its own key",
        " and is_signed_by(certificate, certificate)",
        "",
    ),
    ("a serial has two digits per byte", "text.zfill(len(text) + len(text) % 2)", "text[:38]"),
)
_CONSTRAINTS: Rows = (
    (
        "an excluded subtree is respected",
        "if any(_is_within(domain, excluded)",
        "if False and any(_is_within(domain, excluded)",
    ),
    ("a subtree consists of whole labels", 'domain.endswith(f".{subtree}")', "True"),
    ("a leading dot is accepted", '.removeprefix(".")', ""),
    ("a subtree below the domain permits a name", " or _is_within(subtree, domain)", ""),
    ("case does not matter", ".lower()", ""),
    ("an empty subtree is every name", "not subtree or ", ""),
)
_ISSUERS: Rows = (
    ("an expired root is not trusted", "current_roots(issuers, now)", "tuple(issuers)"),
    ("an expired root is named as the cause", "    if ends:\n", "    if False:\n"),
    ("a mount without a root is named as the cause", " if is_self_signed(issuer)]", "]"),
    ("an expired issuer is refused", "if issuer.not_valid_after_utc <= now:", "if False:"),
    ("an issuer is accepted until it expires", "if issuer.not_valid_after_utc <= now:", "if True:"),
)
_KEYS: Rows = (
    (
        "the hash is as strong as the curve",
        "384: (ec.SECP384R1(), hashes.SHA384())",
        "384: (ec.SECP384R1(), hashes.SHA256())",
    ),
    ("a key is PKCS #8", "PrivateFormat.PKCS8", "PrivateFormat.TraditionalOpenSSL"),
    ("the names are in the CSR's SAN", "    if sans:\n", "    if False:\n"),
    (
        "a key of another certificate is recognised",
        "== public_key_der(certificate.public_key())",
        '!= b""',
    ),
    (
        "an encrypted key is an error of ours",
        "except (TypeError, UnsupportedAlgorithm)",
        "except UnsupportedAlgorithm",
    ),
)
_NAMES: Rows = (
    (
        "an IPv4-mapped address is IPv4",
        "        address = address.ipv4_mapped or address\n",
        "",
    ),
    ("a zone is rejected", "if address.scope_id is not None:", "if False:"),
    ("a wildcard is the whole first label", '    if "*" in name:\n', "    if False:\n"),
    ("a name has at most 253 characters", "LONGEST_NAME = 253", "LONGEST_NAME = 254"),
    ("a name may have 253 characters", "LONGEST_NAME = 253", "LONGEST_NAME = 252"),
    ("a label has at most 63 characters", "{1,63}", "{1,64}"),
    ("a label does not begin with a hyphen", '(r"(?!-)', '(r"'),
    ("a label does not end with a hyphen", "(?<!-)", ""),
    ("a mistyped address is not a name", "if _NUMBER.fullmatch(labels[-1]):", "if False:"),
    ("an international name is mapped", "uts46=True", "uts46=False"),
    ("an A-label is validated", ' and not label.lower().startswith("xn--")', ""),
    ("a port is rejected", "    if _without_port(text) != text:\n", "    if False:\n"),
    ("a URL is rejected", '    if "://" in text:\n', "    if False:\n"),
    ("a common name is limited in bytes", "if len(text.encode()) >", "if len(text) >"),
    ("a common name is printable", " or not text.isprintable()", ""),
)

TABLE: Table = {
    "certificate/certificate.py": ("certificate", _CERTIFICATE),
    "certificate/constraints.py": ("certificate/test_constraints.py", _CONSTRAINTS),
    "certificate/issuers.py": ("certificate/test_issuers.py", _ISSUERS),
    "certificate/keys.py": ("certificate/test_keys.py", _KEYS),
    "certificate/names.py": ("certificate/test_names.py", _NAMES),
}
