"""A client that does what no ordinary one does: it splits, repeats and reorders its hello, and gives it a short life.

Prints one JSON object: experiment -> what came of it. `forged`, `genuine`, or how it failed.
"""
import fcntl
import json
import os
import random
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

TARGET, BYSTANDER, ADDRESS = "www.facebook.com", "www.whatsapp.com", "157.240.9.35"
PATIENCE, SILENCE = 20.0, 3.0


class Tls:
    """A handshake over bytes, whoever carries them."""

    def __init__(self, name):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)
        self.done = False
        self.step()
        self.hello = self.outgoing.read()
        self.inside_the_name = self.hello.index(name.encode()) + 4

    def step(self):
        try:
            self.tls.do_handshake()
            self.done = True
        except ssl.SSLWantReadError:
            pass

    def take(self, data):
        self.incoming.write(data)
        self.step()

    def whose(self):
        der = self.tls.getpeercert(True)
        return "forged" if b"Example Proxy CA" in der else "genuine" if b"mitmlab Public CA" in der else "unknown"


def answer(stream, tls, patience):
    """Reads until the handshake is complete."""
    stream.settimeout(patience)
    try:
        while not tls.done:
            data = stream.recv(65535)
            if not data:
                return "closed"
            tls.take(data)
    except TimeoutError:
        return "silence"
    except OSError as error:
        return type(error).__name__
    return tls.whose()


def connect(port=0):
    stream = socket.socket()
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream.settimeout(PATIENCE)
    if port:
        stream.bind(("0.0.0.0", port))
    stream.connect((ADDRESS, 443))
    return stream


def whole(name, ttl=None, patience=PATIENCE):
    with connect() as stream:
        tls = Tls(name)
        if ttl:
            stream.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        stream.sendall(tls.hello)
        return answer(stream, tls, patience)


def split(name):
    with connect() as stream:
        tls = Tls(name)
        stream.sendall(tls.hello[: tls.inside_the_name])
        stream.sendall(tls.hello[tls.inside_the_name :])
        return answer(stream, tls, PATIENCE)


def byte_by_byte(name):
    with connect() as stream:
        tls = Tls(name)
        for at in range(len(tls.hello)):
            stream.sendall(tls.hello[at : at + 1])
        return answer(stream, tls, PATIENCE)


def silent():
    """A connection that never sends a hello."""
    with connect():
        time.sleep(0.3)
    return "closed"


def side_by_side(work, inputs):
    results = {}

    def one(value):
        try:
            results[value] = work(value)
        except OSError as error:
            results[value] = type(error).__name__

    threads = [threading.Thread(target=one, args=(value,)) for value in inputs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def many(count):
    everyone = threading.Barrier(count)

    def one(number):
        everyone.wait()
        return whole(TARGET if number % 2 else BYSTANDER)

    results = side_by_side(one, range(count))
    told = {}
    for number, result in results.items():
        key = f"{'target' if number % 2 else 'bystander'} {result}"
        told[key] = told.get(key, 0) + 1
    return told


class Link:
    """The link without a kernel behind it: its address is taken off, so nothing answers but this program."""

    def __init__(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            request = struct.pack("256s", b"eth0")
            self.mac = fcntl.ioctl(probe, 0x8927, request)[18:24]
            probe.connect((ADDRESS, 443))
            self.ip = socket.inet_aton(probe.getsockname()[0])
        neighbours = subprocess.run(["ip", "-4", "neigh", "show", "dev", "eth0"], capture_output=True, text=True).stdout
        self.gateway = bytes.fromhex(neighbours.split("lladdr ")[1].split()[0].replace(":", ""))
        subprocess.run(["ip", "addr", "flush", "dev", "eth0", "scope", "global"], check=True)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        self.socket.bind(("eth0", 0x0800))

    def send(self, port, flags, seq, ack, data=b"", options=b""):
        there = socket.inet_aton(ADDRESS)
        length = 20 + len(options)
        tcp = struct.pack("!HHIIBBHHH", port, 443, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, length // 4 << 4, flags, 64000, 0, 0)
        tcp += options + data
        tcp = tcp[:16] + struct.pack("!H", checksum(self.ip + there + struct.pack("!HH", 6, len(tcp)) + tcp)) + tcp[18:]
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), random.randrange(65536), 0x4000, 64, 6, 0, self.ip, there)
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        self.socket.send(self.gateway + self.mac + b"\x08\x00" + ip + tcp)

    def receive(self, port, deadline):
        """The next segment for a port: flags, sequence number, acknowledgement, payload."""
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                frame = self.socket.recv(70000)
            except TimeoutError:
                break
            ip = frame[14:]
            tcp = ip[(ip[0] & 15) * 4 : struct.unpack("!H", ip[2:4])[0]]
            if ip[9] == 6 and struct.unpack("!H", tcp[2:4])[0] == port:
                seq, ack, offset, flags = struct.unpack("!IIBB", tcp[4:14])
                return flags, seq, ack, tcp[offset >> 4 << 2 :]
        return None


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


class Hand:
    """TCP by hand."""

    def __init__(self, link, port, with_syn=b""):
        self.link, self.port, self.isn = link, port, random.randrange(1 << 32)
        link.send(port, SYN, self.isn, 0, with_syn, struct.pack("!BBH", 2, 4, 1460))
        deadline = time.monotonic() + PATIENCE
        while True:
            segment = link.receive(port, deadline)
            if segment is None:
                raise TimeoutError("no SYN/ACK")
            flags, seq, self.acked, _ = segment
            if flags & (SYN | ACK) == SYN | ACK:
                break
        self.next = seq + 1
        link.send(port, ACK, self.isn + 1, self.next)

    def send(self, offset, data):
        self.link.send(self.port, PSH | ACK, self.isn + 1 + offset, self.next, data)

    def answer(self, tls, patience=PATIENCE):
        """Takes what comes in order until the handshake is complete, then resets."""
        deadline = time.monotonic() + patience
        while not tls.done:
            segment = self.link.receive(self.port, deadline)
            if segment is None:
                return "silence"
            flags, seq, _, data = segment
            if flags & RST:
                return "reset"
            if data and seq == self.next & 0xFFFFFFFF:
                self.next += len(data)
                tls.take(data)
            if data:
                self.link.send(self.port, ACK, self.isn + 1 + len(tls.hello), self.next)
        self.link.send(self.port, RST | ACK, self.isn + 1 + len(tls.hello), self.next)
        return tls.whose()


def by_hand(link):
    told = {}

    def trial(name, port, act, syn=False):
        tls = Tls(TARGET)
        try:
            hand = Hand(link, port, tls.hello if syn else b"")
            act(hand, tls.hello, tls.inside_the_name)
            told[name] = hand.answer(tls)
            if syn:
                told["the SYN/ACK acknowledges"] = "the SYN alone" if hand.acked == (hand.isn + 1) & 0xFFFFFFFF else "data too"
        except TimeoutError as error:
            told[name] = str(error)

    def plain(hand, hello, _):
        hand.send(0, hello)

    def repeated(hand, hello, _):
        for _ in range(3):
            hand.send(0, hello)

    def late_copy(hand, hello, at):
        hand.send(0, hello[:at])
        hand.send(0, hello)

    def backwards(hand, hello, at):
        hand.send(at, hello[at:])
        hand.send(0, hello[:at])

    trial("by hand", 41000, plain)
    trial("a repeated hello", 41001, repeated)
    trial("a hello that overlaps its own beginning", 41002, late_copy)
    trial("an out-of-order hello", 41003, backwards)
    trial("a SYN with data", 41004, plain, syn=True)
    return told


def main():
    told = {"warm": whole(TARGET)}
    if sys.argv[1] == "many":
        told["silent"] = silent()
        told["many"] = many(200)
        time.sleep(4)  # twice as long as the box remembers a connection that is over
        return print(json.dumps(told))
    if sys.argv[1] == "reassembling":
        lives = side_by_side(lambda one: whole(one[0], one[1], SILENCE), [(n, t) for n in (TARGET, BYSTANDER) for t in range(1, 7)])
        for name in (TARGET, BYSTANDER):
            told[f"ttl {name}"] = [lives[(name, ttl)] for ttl in range(1, 7)]
        told["byte by byte"] = byte_by_byte(TARGET)
    told["whole"] = whole(TARGET)
    told["split"] = split(TARGET)
    told["split bystander"] = split(BYSTANDER)
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except PermissionError:
        told["skipped"] = "raw packets need root"
    else:
        told.update(by_hand(Link()))
    print(json.dumps(told))


main()
