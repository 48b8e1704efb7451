"""The certificates in an answer of the PKI engine: the signed one and its issuers."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from cryptography import x509

if TYPE_CHECKING:
    from .exchange import Answer, Request

_SIGNING = re.compile(r".+/(sign|sign-verbatim|issue)(/[^/]+)?")
_INTERMEDIATE = re.compile(r".+/sign-intermediate")


def is_leaf(request: Request, answer: Answer) -> bool:
    """Tell whether an answer has a leaf certificate; SSH and Transit sign other things."""
    return _SIGNING.fullmatch(request.path) is not None and "certificate" in answer.data


def is_intermediate(request: Request, answer: Answer) -> bool:
    """Tell whether an answer has the certificate of an intermediate CA."""
    return _INTERMEDIATE.fullmatch(request.path) is not None and "certificate" in answer.data


def certificate(answer: Answer) -> x509.Certificate:
    """Return the signed certificate."""
    return _load(answer.data["certificate"])[0]


def issuer(answer: Answer) -> x509.Certificate:
    """Return the issuer's certificate."""
    return _load(answer.data["issuing_ca"])[0]


def path(answer: Answer) -> list[x509.Certificate]:
    """Return the CAs above the certificate, as far as the mount knows them."""
    above = [issuer(answer)]
    for text in answer.data.get("ca_chain") or ():
        above += [found for found in _load(text) if found not in above]
    return above


def _load(text: str) -> list[x509.Certificate]:
    if "-----BEGIN" in text:
        return x509.load_pem_x509_certificates(text.encode())
    return [x509.load_der_x509_certificate(base64.b64decode(text))]
