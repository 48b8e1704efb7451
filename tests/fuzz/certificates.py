"""Certificates whose DER is changed value by value, with correct lengths."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from dockertls_vault.certificate import verify
from dockertls_vault.certificate.certificate import describe, load_certificates
from dockertls_vault.certificate.clocks import Clocks
from dockertls_vault.docker.diagnosis import server_certificate
from dockertls_vault.docker.endpoint import Endpoint

from .border import Border
from .mutations import of_bytes
from .seeds import HOST, INTERMEDIATE, LEAF, NOW, REQUEST, ROOT

if TYPE_CHECKING:
    from random import Random

    from cryptography.x509 import Certificate

_CONSTRUCTED = 0x20
_OCTET_STRING = 4
# Set in the first byte of a longer length, together with the number of bytes that follow.
_LONG = 0x80
# ASN.1 tags: primitive, string, time, constructed and context-specific ones.
_TAGS = bytes.fromhex("01 02 03 04 05 06 0a 0c 13 14 16 17 18 1c 1e 30 31 80 82 86 87 a0 a1 a3 a4")
_VALUES = (
    b"",
    b"\0",
    b"\1",
    b"\7",
    b"\xff",
    b"\x80" + b"\0" * 40,
    b"\x7f" + b"\xff" * 20,
    b"500101000000Z",
    b"491231235959Z",
    b"19500101000000Z",
    b"99991231235959Z",
    b"00000101000000Z",
    b"270229000000Z",
    b"270101000000+0100",
    b"\0*\x03",
    b"\xc3\x28",
    b"a\0b",
    b"*.",
    b"xn--a",
    b"a" * 300,
    bytes.fromhex("2a864886f70d010105"),
    bytes.fromhex("2a864886f70d01010a"),
    bytes.fromhex("2b6570"),
    bytes.fromhex("551d11"),
    bytes.fromhex("551d1e"),
    bytes.fromhex("551d13"),
)


@dataclass
class _Node:
    tag: int
    content: bytes = b""
    children: list[_Node] = field(default_factory=list)
    before: bytes = b""  # the count of unused bits before what a BIT STRING wraps

    def encode(self) -> bytes:
        content = self.content
        if self.children:
            content = self.before + b"".join(child.encode() for child in self.children)
        size = len(content)
        length = size.to_bytes((size.bit_length() + 7) // 8 or 1, "big")
        head = bytes([size]) if size < _LONG else bytes([_LONG | len(length)]) + length
        return bytes([self.tag]) + head + content

    def walk(self) -> list[_Node]:
        return [self, *(found for child in self.children for found in child.walk())]


def _parse(data: bytes) -> list[_Node] | None:
    """Return ``data`` as a sequence of DER values, or None if it is not one."""
    nodes = []
    while data:
        if len(data) < 2:
            return None
        tag, size, start = data[0], data[1], 2
        if size > _LONG:
            start += size - _LONG
            size = int.from_bytes(data[2:start], "big")
        if size == _LONG or len(data) < start + size:
            return None
        content, data = data[start : start + size], data[start + size :]
        inner = _parse(content) if tag & _CONSTRUCTED or tag == _OCTET_STRING else None
        nodes.append(_Node(tag, content, inner or []))
    return nodes


def mutated(random: Random, der: bytes) -> bytes:
    """Return a certificate with some wrong values."""
    (root,) = _parse(der) or [_Node(0x30)]
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        nodes = root.walk()
        node = random.choice(nodes)
        parent = next((found for found in nodes if node in found.children), root)
        match random.randrange(7):
            case 0:
                node.tag = random.choice(_TAGS)
            case 1 | 2:
                node.content, node.children = random.choice(_VALUES), []
            case 3:
                node.content, node.children = of_bytes(random, node.content), []
            case 4 if node is not root:
                parent.children.remove(node)
                parent.content = b""
            case 5 if node is not root:
                parent.children.insert(0, node)
            case _:
                random.shuffle(node.children)
    return root.encode()


def signed(certificate: Certificate, tbs: bytes, signature: bytes) -> bytes:
    """Return the DER of a certificate with another content and signature."""
    (outer,) = _parse(certificate.public_bytes(Encoding.DER)) or [_Node(0x30)]
    algorithm = outer.children[1].encode()
    return _Node(0x30, tbs + algorithm + _Node(3, b"\0" + signature).encode()).encode()


def pem(random: Random, der: bytes) -> bytes:
    """Return ``der`` as PEM, usually intact."""
    text = base64.encodebytes(der)
    block = b"-----BEGIN CERTIFICATE-----\n" + text + b"-----END CERTIFICATE-----\n"
    return of_bytes(random, block) if random.random() < 0.05 else block


def _draw(random: Random) -> list[bytes]:
    """Return a leaf, an intermediate and a root as PEM, usually with one of them wrong."""
    found = []
    wrong = random.randrange(3)
    for number, seed in enumerate((LEAF, INTERMEDIATE, ROOT)):
        der = seed.certificate.public_bytes(Encoding.DER)
        if number == wrong or random.random() < 0.1:
            der = mutated(random, der)
        found.append(pem(random, der))
    return found


def _cross(pems: list[bytes]) -> object:
    """Parse, describe, check and verify, as `issue` and `check` do."""
    leaf, intermediate, root = pems
    (shown,) = load_certificates(leaf)
    described = [describe(found) for pem in pems for found in load_certificates(pem)]
    steps = [
        server_certificate.judge_name(Endpoint(HOST, 2376), shown),
        server_certificate.judge_validity(shown, NOW),
        server_certificate.judge_usage(shown),
    ]
    verified = verify.verify(
        leaf.decode("latin-1"),
        [intermediate.decode("latin-1")],
        roots=verify.current_roots(load_certificates(root), NOW),
        request=REQUEST,
        public_key=LEAF.key.public_key(),
        clocks=Clocks(NOW),
    )
    return [described, steps, describe(verified.leaf)]


BORDER = Border("certificates", _draw, _cross)
