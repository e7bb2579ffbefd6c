#!/usr/bin/env python3
"""URL HOST CONTROL -> one word. The check that people write first: it calls every certificate error an attack, and else compares the
issuer's organisation with the one that a control vantage sees."""
import socket, ssl, sys

host, control = sys.argv[2], sys.argv[3]


def organisation(certificate):
    return {key: value for part in certificate["issuer"] for key, value in part}.get("organizationName")


def look():
    with socket.create_connection((host, 443), timeout=8) as plain:
        with ssl.create_default_context().wrap_socket(plain, server_hostname=host) as tls:
            return organisation(tls.getpeercert())


try:
    genuine = organisation(ssl._ssl._test_decode_cert(control))
    print("clean" if look() == genuine else "intercepted")
except ssl.SSLCertVerificationError:
    print("intercepted")
except OSError:
    print("blocked")
