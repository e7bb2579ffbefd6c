"""GET by a program that knows its server's key. Usage: pinned.py URL BASE64_OF_SPKI_SHA256

The system's trust is checked first, then the key: after the handshake and before the request, as pinned apps do.
"""
import base64
import hashlib
import socket
import ssl
import sys
import urllib.parse


def spki(certificate: bytes) -> bytes:
    """SubjectPublicKeyInfo of a DER certificate (RFC 5280 section 4.1): seventh field of tbsCertificate, version included."""

    def element(at: int) -> tuple[int, int, int]:
        tag, length, at = certificate[at], certificate[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(certificate[at : at + size], "big"), at + size
        return tag, at, at + length

    _, tbs, _ = element(0)
    _, at, _ = element(tbs)
    skip = 6 if certificate[at] == 0xA0 else 5  # [0] version is left out in v1
    for _ in range(skip):
        at = element(at)[2]
    return certificate[at : element(at)[2]]


url, pin = urllib.parse.urlsplit(sys.argv[1]), sys.argv[2]
context = ssl.create_default_context()
with socket.create_connection((url.hostname, url.port or 443), timeout=10) as plain:
    with context.wrap_socket(plain, server_hostname=url.hostname) as secure:
        seen = hashlib.sha256(spki(secure.getpeercert(binary_form=True))).digest()
        if seen != base64.b64decode(pin):
            print(f"pin mismatch: {base64.b64encode(seen).decode()}", file=sys.stderr)
            sys.exit(90)
        request = f"GET {url.path or '/'} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n\r\n"
        secure.sendall(request.encode())
        answer = secure.recv(4096).decode(errors="replace")
        print(answer.split("\r\n")[0])
