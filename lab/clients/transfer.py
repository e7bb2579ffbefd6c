"""Moves bytes for some seconds, or as many as are allowed, and prints the rate of payload in kbit/s: transfer.py down|up SECONDS URL [MOST_BYTES]"""
import http.client
import ssl
import struct
import sys
import time
import urllib.parse

way, seconds, url = sys.argv[1], float(sys.argv[2]), urllib.parse.urlsplit(sys.argv[3])
most = int(sys.argv[4]) if len(sys.argv) > 4 else 1 << 30
secure = url.scheme == "https"
context = {"context": ssl.create_default_context()} if secure else {}
kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
link = kind(url.hostname, url.port, timeout=30, **context)
moved = 0


def arrived(sock):
    """Bytes that the other end has acknowledged: tcpi_bytes_acked of Linux's tcp_info."""
    return struct.unpack_from("Q", sock.getsockopt(6, 11, 192), 120)[0]


if way == "down":
    link.request("GET", f"/bytes/{most}")
    answer = link.getresponse()
    answer.read1(1)
    begun = time.monotonic()
    while time.monotonic() - begun < seconds and (piece := answer.read1(65536)):
        moved += len(piece)
else:
    link.connect()
    link.sock.sendall(f"POST /sink HTTP/1.1\r\nhost: {url.hostname}\r\ncontent-length: {most}\r\n\r\n".encode())
    begun, before, sent = time.monotonic(), arrived(link.sock), 0
    while time.monotonic() - begun < seconds and moved < most:
        if sent < most:
            sent += link.sock.send(b"x" * min(4096, most - sent))
        else:
            time.sleep(0.001)
        moved = arrived(link.sock) - before
print(round(moved * 8 / (time.monotonic() - begun) / 1000))
