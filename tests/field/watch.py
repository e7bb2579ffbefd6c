"""Two witnesses of the same connections, one at the client and one where the origins are: every packet, header and payload.

`watch.py origin PORT FILE` is started with the world, and listens so that the lab finds it ready.
`watch.py client FILE ORIGINS_FILE NAME...` makes one connection for each name and waits until both have seen its end.
"""
import hashlib
import json
import socket
import ssl
import struct
import sys
import threading
import time

ADDRESS = "157.240.9.35"
DEADLINE = 20.0


def watch(path, ready):
    """Writes a line for each packet of port 443."""
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    with open(path, "a", buffering=1) as out:
        ready.set()
        while True:
            frame = tap.recv(70000)
            if frame[12:14] == b"\x08\x00" and frame[23] == 6:
                told = packet(frame[14:])
                if 443 in told["ports"]:
                    out.write(json.dumps(told) + "\n")


def packet(ip):
    head = (ip[0] & 15) * 4
    tcp = ip[head : struct.unpack("!H", ip[2:4])[0]]
    source, destination, seq, ack, offset, flags, window, _, urgent = struct.unpack("!HHIIBBHHH", tcp[:20])
    payload = tcp[offset >> 4 << 2 :]
    return {
        "ports": [source, destination],
        "ttl": ip[8],
        # All of the IP header but length, TTL and checksum; all of the TCP header but the checksum, which offloading leaves undone.
        "same": {
            "tos": ip[1],
            "id": ip[4:6].hex(),
            "fragment": ip[6:8].hex(),
            "addresses": ip[12:head].hex(),
            "numbers": [seq, ack, offset, flags, window, urgent],
            "options": tcp[20 : offset >> 4 << 2].hex(),
            "payload": [len(payload), hashlib.sha256(payload).hexdigest()],
        },
    }


def origin(port, path):
    listener = socket.create_server(("127.0.0.1", int(port)))
    ready = threading.Event()
    threading.Thread(target=watch, args=(path, ready), daemon=True).start()
    while True:
        listener.accept()[0].close()


def client(path, origins, *names):
    ready = threading.Event()
    threading.Thread(target=watch, args=(path, ready), daemon=True).start()
    ready.wait(DEADLINE)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    ports = {}
    for name in names:
        raw = socket.create_connection((ADDRESS, 443), DEADLINE)
        ports[name] = raw.getsockname()[1]
        with context.wrap_socket(raw, server_hostname=name) as stream:
            stream.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            while stream.recv(65535):
                pass
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline and not all(over(path, port) for port in ports.values()):
        time.sleep(0.05)
    while time.monotonic() < deadline and not all(over(origins, port) for port in ports.values()):
        time.sleep(0.05)
    print(json.dumps(ports))


def over(path, port):
    """Both sides have sent a FIN, and both were acknowledged; or a reset went by."""
    ends, acks = {}, {}
    for line in open(path):
        told = json.loads(line)
        if port not in told["ports"]:
            continue
        seq, ack, _, flags, *_ = told["same"]["numbers"]
        side = told["ports"][0] == port
        if flags & 4:
            return True
        if flags & 1:
            ends[side] = (seq + told["same"]["payload"][0] + 1) & 0xFFFFFFFF
        acks.setdefault(side, set()).add(ack)
    return len(ends) == 2 and all(ends[side] in acks.get(not side, ()) for side in ends)


if __name__ == "__main__":
    {"origin": origin, "client": client}[sys.argv[1]](*sys.argv[2:])
