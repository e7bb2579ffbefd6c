"""Moves bytes for some seconds and prints the rate of payload in kbit/s: transfer.py down|up SECONDS URL"""
import http.client
import ssl
import struct
import sys
import time
import urllib.parse

way, seconds, url = sys.argv[1], float(sys.argv[2]), urllib.parse.urlsplit(sys.argv[3])
secure = url.scheme == "https"
context = {"context": ssl.create_default_context()} if secure else {}
kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
link = kind(url.hostname, url.port, timeout=30, **context)
moved = 0


def arrived(sock):
    """Bytes that the other end has acknowledged: tcpi_bytes_acked of Linux's tcp_info."""
    return struct.unpack_from("Q", sock.getsockopt(6, 11, 192), 120)[0]


if way == "down":
    link.request("GET", "/bytes/1073741824")
    answer = link.getresponse()
    answer.read1(1)
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        moved += len(answer.read1(65536))
else:
    link.connect()
    link.sock.sendall(b"POST /sink HTTP/1.1\r\nhost: " + url.hostname.encode() + b"\r\ncontent-length: 1073741824\r\n\r\n")
    filling = time.monotonic()
    while time.monotonic() - filling < 2:  # queues on the way fill first
        link.sock.send(b"x" * 4096)
    begun, before = time.monotonic(), arrived(link.sock)
    while time.monotonic() - begun < seconds:
        link.sock.send(b"x" * 4096)
    moved = arrived(link.sock) - before
print(round(moved * 8 / (time.monotonic() - begun) / 1000))
