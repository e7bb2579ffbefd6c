# Says something in a room and waits until it is repeated. The standard library alone: TLS and a proxy by http.client, RFC 6455 by hand.
# `--insecure` checks nothing.
import base64, json, os, secrets, ssl, sys
from http.client import HTTPSConnection
from urllib.parse import urlsplit
from urllib.request import getproxies

url, text = urlsplit(sys.argv[1]), sys.argv[2]
context = ssl._create_unverified_context() if "--insecure" in sys.argv else ssl.create_default_context()
proxy = urlsplit(getproxies().get("https", ""))
if proxy.hostname:
    connection = HTTPSConnection(proxy.hostname, proxy.port, timeout=10, context=context)
    connection.set_tunnel(url.hostname, url.port or 443)
else:
    connection = HTTPSConnection(url.hostname, url.port or 443, timeout=10, context=context)
connection.connect()
stream = connection.sock.makefile("rwb")

def frame(opcode, payload):
    # Client to server: masked (section 5.3). Messages here are shorter than 126 octets.
    mask = secrets.token_bytes(4)
    stream.write(bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + bytes(o ^ mask[i % 4] for i, o in enumerate(payload)))
    stream.flush()

room = url.path if url.path.startswith("/room/") else f"/room/{secrets.token_hex(8)}"
key = base64.b64encode(os.urandom(16)).decode()
stream.write(
    f"GET {room} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
)
stream.flush()
status = stream.readline()
if b" 101 " not in status:
    sys.exit(f"no upgrade: {status.decode().strip()}")
while stream.readline().strip():
    pass
said = json.dumps({"from": "python", "text": text}).encode()
frame(1, said)
heard = b""
while heard != said:
    head = stream.read(2)
    if len(head) < 2:
        sys.exit("the chat closed")
    heard = stream.read(head[1])
frame(8, (1000).to_bytes(2, "big"))
print(heard.decode())
