"""Tries QUIC as a browser does, and falls back to HTTPS over TCP. It knows no QUIC beyond its first packet."""
import os
import socket
import sys
import urllib.parse
import urllib.request

host = urllib.parse.urlsplit(sys.argv[1]).hostname
# A long header of version 1, type Initial, with random connection IDs, padded to 1200 bytes (RFC 9000 sections 14.1 and 17.2.2).
head = bytes([0xC3, 0, 0, 0, 1, 8]) + os.urandom(8) + bytes([8]) + os.urandom(8)
packet = (head + os.urandom(1200))[:1200]
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as quic:
    quic.settimeout(1)
    quic.connect((host, 443))
    try:
        quic.send(packet)
        quic.recv(2048)
        print("quic: an answer")
    except TimeoutError:
        print("quic: silence")
    except ConnectionRefusedError:
        print("quic: nobody listens")
with urllib.request.urlopen(sys.argv[1], timeout=10) as answer:
    print(answer.status)
