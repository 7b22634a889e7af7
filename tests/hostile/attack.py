#!/usr/bin/env python3
"""Throws mutated messages, images, requests and calls at a running hub and its nodes, and counts what becomes of them.

Usage: attack.py DEMO_JSON CORPUS [--seconds N] [--seed N] [--json FILE]

Needs nothing but Python. DEMO_JSON is what `concord demo --dir D` writes; CORPUS is a folder with hl7/, dicom/, fhir/ and
cdshooks/ (any of them may be missing: small inputs of our own are mutated anyhow). The seed makes the same inputs again,
in the same order for each attacker. While four threads a way attack, a neighbour of each way sends good requests; every one
of them must be answered. At the end: no process may have died, no panic may stand in a log, and memory is told.
"""

import argparse
import http.client
import json
import pathlib
import random
import socket
import ssl
import struct
import sys
import threading
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import mutate  # noqa: E402

ANSWER_WAIT_S = 20
LOCK = threading.Lock()
VT, FS, CR = b"\x0b", b"\x1c", b"\r"


class Count:
    """What became of the inputs of one way in."""

    def __init__(self):
        self.tried = self.accepted = self.refused = self.closed = self.good = self.lost = 0
        self.lost_why = []


class Way:
    """One way in: how an input is thrown at it, and what a good neighbour asks there."""

    def __init__(self, name, inputs, throw, neighbour):
        self.name, self.inputs, self.throw, self.neighbour = name, inputs, throw, neighbour
        self.count = Count()

    def attack(self, seed, until):
        """Mutates and throws inputs until the time is over."""
        dice = random.Random(f"{seed} {self.name}")
        while time.monotonic() < until:
            name, sound = dice.choice(self.inputs)
            _, data = mutate.mutated(dice, self.name, sound)
            with LOCK:
                self.count.tried += 1
            try:
                outcome = self.throw(data, dice)
            except (OSError, http.client.HTTPException, ssl.SSLError):
                outcome = "closed"
            with LOCK:
                setattr(self.count, outcome, getattr(self.count, outcome) + 1)

    def live(self, until):
        """Asks good things, one after the other, each of which must be answered."""
        while time.monotonic() < until:
            self.count.good += 1
            try:
                self.neighbour(self.count.good)
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.count.lost += 1
                self.count.lost_why.append(f"{type(error).__name__}: {error}")
            time.sleep(0.05)


def place(address):
    """Splits host:port."""
    host, port = address.rsplit(":", 1)
    return host, int(port)


def received(stream, enough):
    """Reads until `enough(bytes)` or the end."""
    data = b""
    while not enough(data):
        piece = stream.recv(65536)
        if not piece:
            break
        data += piece
    return data


# MLLP ---------------------------------------------------------------------------------------------------------------


def throw_mllp(address):
    def throw(data, dice):
        with socket.create_connection(address, ANSWER_WAIT_S) as stream:
            stream.settimeout(2)
            frame = data if dice.random() < 0.1 else VT + data + FS + CR
            stream.sendall(frame)
            if dice.random() < 0.5:
                stream.shutdown(socket.SHUT_WR)
            try:
                answer = received(stream, lambda data: FS + CR in data)
            except TimeoutError:
                return "refused"  # an unfinished frame is waited for, and answered by nothing
            if not answer:
                return "closed"
            return "accepted" if b"MSA|AA|" in answer else "refused"

    return throw


def neighbour_mllp(address):
    def ask(number):
        with socket.create_connection(address, ANSWER_WAIT_S) as stream:
            stream.settimeout(ANSWER_WAIT_S)
            stream.sendall(VT + mutate.REPORT.replace(b"CONTROL", b"GOOD-%d" % number) + FS + CR)
            answer = received(stream, lambda data: FS + CR in data)
            assert b"MSA|AA|GOOD-%d" % number in answer, answer[:200]

    return ask


# DICOM --------------------------------------------------------------------------------------------------------------

SYNTAXES = [b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.1.2.1.99"]
CT, VERIFICATION = b"1.2.840.10008.5.1.4.1.1.2", b"1.2.840.10008.1.1"


def item(kind, content):
    return struct.pack(">BxH", kind, len(content)) + content


def association(called, syntaxes=SYNTAXES, abstract=CT):
    """Writes an A-ASSOCIATE-RQ."""
    contexts = b"".join(
        item(0x20, bytes([2 * place + 1, 0, 0, 0]) + item(0x30, abstract) + item(0x40, syntax))
        for place, syntax in enumerate(syntaxes)
    )
    user = item(0x50, item(0x51, struct.pack(">I", 65536)) + item(0x52, b"1.2.3.4"))
    body = struct.pack(">HH", 1, 0) + called.ljust(16).encode() + b"HOSTILE".ljust(16) + bytes(32)
    body += item(0x10, b"1.2.840.10008.3.1.1.1") + contexts + user
    return struct.pack(">BxI", 1, len(body)) + body


def element(number, value):
    return struct.pack("<HHI", 0, number, len(value)) + value


def even(text):
    return text if len(text) % 2 == 0 else text + b"\0"


def command(fields):
    body = b"".join(element(number, value) for number, value in sorted(fields.items()))
    return element(0x0000, struct.pack("<I", len(body))) + body


def pdu(context, control, data):
    return struct.pack(">BxI", 4, len(data) + 6) + struct.pack(">IBB", len(data) + 2, context, control) + data


def throw_dicom(address, called):
    def throw(data, dice):
        with socket.create_connection(address, ANSWER_WAIT_S) as stream:
            stream.settimeout(3)
            if dice.random() < 0.25:  # nonsense instead of an association
                stream.sendall(mutate.bent(dice, association(called)))
                stream.shutdown(socket.SHUT_WR)
                return "accepted" if received(stream, lambda data: len(data) > 0)[:1] == b"\x02" else "refused"
            stream.sendall(association(called))
            if received(stream, lambda data: len(data) > 6)[:1] != b"\x02":
                return "refused"
            name = b"1.2.826.0.1.%d" % dice.randrange(1 << 40)
            store = {0x0002: even(CT), 0x0100: b"\x01\x00", 0x0110: b"\x01\x00", 0x0700: b"\x00\x00"}
            store |= {0x0800: b"\x00\x00", 0x1000: even(name)}
            context = 2 * dice.randrange(len(SYNTAXES)) + 1
            try:
                stream.sendall(pdu(context, 3, command(store)))
                for start in range(0, max(len(data), 1), 65000):
                    last = start + 65000 >= len(data)
                    stream.sendall(pdu(context, 2 if last else 0, data[start : start + 65000]))
                stream.shutdown(socket.SHUT_WR)
                answer = received(stream, lambda data: len(data) > 200)
            except TimeoutError:
                return "refused"
            # (0000,0900), the status, zero where it was stored
            return "accepted" if b"\x00\x00\x00\x09\x02\x00\x00\x00\x00\x00" in answer else "refused"

    return throw


def neighbour_dicom(address, called):
    def ask(number):
        with socket.create_connection(address, ANSWER_WAIT_S) as stream:
            stream.settimeout(ANSWER_WAIT_S)
            stream.sendall(association(called, SYNTAXES[:1], VERIFICATION))
            assert received(stream, lambda data: len(data) > 6)[:1] == b"\x02", "no association"
            echo = {0x0002: even(VERIFICATION), 0x0100: b"\x30\x00", 0x0110: b"\x07\x00", 0x0800: b"\x01\x01"}
            stream.sendall(pdu(1, 3, command(echo)))
            answer = received(stream, lambda data: b"\x00\x00\x00\x09\x02\x00\x00\x00" in data)
            assert b"\x00\x00\x00\x09\x02\x00\x00\x00\x00\x00" in answer, f"echo {number} was not answered"

    return ask


# HTTPS --------------------------------------------------------------------------------------------------------------

PATHS = [
    ("POST", "/cds-services/mutual-recognition", "application/json"),
    ("POST", "/cds-services/patient-results", "application/json"),
    ("POST", "/prompt/tickets", "application/json"),
    ("POST", "/prompt/session/nothing/decide", "application/x-www-form-urlencoded"),
    ("POST", "/fhir/r4/Observation/_search", "application/x-www-form-urlencoded"),
    ("GET", "/fhir/r4/Observation?", "application/json"),
    ("POST", "/shl/nothing", "application/json"),
    ("GET", "/view/", "application/json"),
    ("GET", "/me/results/", "application/json"),
    ("POST", "/patient/v1/consents", "application/json"),
]


def https(address, context):
    host, port = place(address.removeprefix("https://"))
    return http.client.HTTPSConnection("localhost", port, timeout=ANSWER_WAIT_S, context=context)


def throw_https(address, context):
    def throw(data, dice):
        connection = https(address, context)
        method, path, kind = dice.choice(PATHS)
        headers = {"Content-Type": kind}
        if dice.random() < 0.1:
            headers["Content-Encoding"] = dice.choice(["gzip", "deflate", "br", "zstd"])
        if dice.random() < 0.1:
            headers["Authorization"] = "Bearer " + "".join(chr(33 + byte % 94) for byte in data[:20000])
        if method == "GET":
            path += "".join("%%%02x" % byte for byte in data[:400])
            data = None
        elif dice.random() < 0.1:
            data = zlib.compress(bytes(50_000_000), 9)
        try:
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            answer.read()
        finally:
            connection.close()
        assert answer.status != 500, f"{method} {path.split('?')[0]} was answered 500"
        return "accepted" if answer.status < 400 else "refused"

    return throw


def neighbour_https(address, context):
    def ask(number):
        connection = https(address, context)
        connection.request("GET", "/cds-services")
        answer = connection.getresponse()
        answer.read()
        connection.close()
        assert answer.status == 200, f"request {number} was answered {answer.status}"

    return ask


# gRPC ---------------------------------------------------------------------------------------------------------------

METHODS = [
    "Identity/Resolve", "Publication/Publish", "Orders/Check", "Orders/Decide", "Orders/RecentResults",
    "Retrieval/Fetch", "Retrieval/Tunnel", "Catalogue/Version", "Transparency/InclusionProof", "Transparency/Tile",
    "Oversight/Statistics", "Qualifications/Explain",
]  # fmt: skip


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """Writes one header, neither indexed nor compressed."""

    def text(value):
        size = len(value)
        prefix = bytes([size]) if size < 127 else bytes([127, (size - 127) & 127 | 128, (size - 127) >> 7])
        return prefix + value

    return b"\0" + text(name) + text(value)


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")


def call(stream, method, body, more=()):
    """Makes one gRPC call by hand, and gives all that comes back before the end."""
    headers = [(b":method", b"POST"), (b":scheme", b"https"), (b":path", b"/concord.v1." + method.encode())]
    headers += [(b":authority", b"localhost"), (b"content-type", b"application/grpc"), (b"te", b"trailers"), *more]
    stream.sendall(PREFACE + frame(1, 4, 1, b"".join(literal(*pair) for pair in headers)))
    window = 60_000  # what HTTP/2 lets pass before the other end says more
    for start in range(0, min(len(body), window), 16_000):
        stream.sendall(frame(0, 0, 1, body[start : min(start + 16_000, window)]))
    stream.sendall(frame(0, 1, 1, b""))
    return received(stream, ended)


def ended(data):
    """Says whether the stream has ended: END_STREAM, a reset, or a farewell."""
    while len(data) >= 9:
        size, kind, flags = int.from_bytes(data[:3], "big"), data[3], data[4]
        stream = int.from_bytes(data[5:9], "big")
        if len(data) < 9 + size:
            return False
        if (stream == 1 and (kind == 3 or kind in (0, 1) and flags & 1)) or kind == 7:
            return True
        data = data[9 + size :]
    return False


def spoke(data):
    """Says whether a message came back: a DATA frame with something in it."""
    while len(data) >= 9:
        size = int.from_bytes(data[:3], "big")
        if data[3] == 0 and size > 0:
            return True
        data = data[9 + size :]
    return False


def connected(address, context):
    stream = context.wrap_socket(socket.create_connection(place(address), ANSWER_WAIT_S), server_hostname="localhost")
    stream.settimeout(5)
    return stream


def throw_grpc(address, context):
    def throw(data, dice):
        with connected(address, context) as stream:
            if dice.random() < 0.2:
                stream.sendall(mutate.bent(dice, PREFACE + frame(1, 4, 1, data[:16000])))
                return "refused" if received(stream, ended) else "closed"
            packed = dice.random() < 0.1
            body = zlib.compress(bytes(20_000_000)) if packed else data
            size = len(body) if dice.random() < 0.8 else dice.randrange(1 << 32)
            more = [(b"grpc-encoding", b"gzip")] if packed else []
            answer = call(stream, dice.choice(METHODS), struct.pack(">BI", packed, size) + body, more)
            return "accepted" if spoke(answer) else "refused"

    return throw


def neighbour_grpc(address, context):
    def ask(number):
        with connected(address, context) as stream:
            answer = call(stream, "Catalogue/Versions", bytes(5))
            assert ended(answer), f"call {number} was not answered"

    return ask


# Those who only hold on ----------------------------------------------------------------------------------------------


def hold(addresses, until, held):
    """Opens connections and says next to nothing on each: a byte at a time, as slow as it is let (slow loris)."""
    slow = []
    while time.monotonic() < until:
        for name, address, begin in addresses:
            try:
                stream = socket.create_connection(address, 2)
                stream.setblocking(False)
                slow.append((name, stream, begin, 0))
                held[name] = held.get(name, 0) + 1
            except OSError:
                pass
        kept = []
        for name, stream, begin, sent in slow:
            try:
                stream.send(begin[sent : sent + 1] or b"x")
                kept.append((name, stream, begin, sent + 1))
            except BlockingIOError:
                kept.append((name, stream, begin, sent))
            except OSError:
                stream.close()
        slow = kept[-600:]
        for _, stream, _, _ in kept[:-600]:
            stream.close()
        time.sleep(0.02)
    for _, stream, _, _ in slow:
        stream.close()


# The whole ----------------------------------------------------------------------------------------------------------


def memory(pid):
    """Gives the most memory that a process has had, in MiB, or nothing where it is no more."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return None
    return next((int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM")), None)


def ways(demo, folder, corpus):
    """Lists the ways in, with the certificates of a hospital."""
    node = demo["nodes"][0]
    client = next(it for it in demo["clients"] if it["role"] == "hospital" and it["org"] == node["org"])
    context = ssl.create_default_context(cafile=folder / demo["ca"])
    context.load_cert_chain(folder / client["cert"], folder / client["key"])
    http2 = ssl.create_default_context(cafile=folder / demo["ca"])
    http2.load_cert_chain(folder / client["cert"], folder / client["key"])
    http2.set_alpn_protocols(["h2"])
    mllp, dicom, title = place(node["mllp"]), place(node["dicom"]["address"]), node["dicom"]["ae_title"]
    messages, images = mutate.messages(corpus), mutate.images(corpus)
    documents = mutate.documents(corpus)
    return [
        Way("mllp", messages, throw_mllp(mllp), neighbour_mllp(mllp)),
        Way("dicom", images, throw_dicom(dicom, title), neighbour_dicom(dicom, title)),
        Way("https node", documents, throw_https(node["https"], context), neighbour_https(node["https"], context)),
        Way("https hub", documents, throw_https(demo["hub"]["https"], context), neighbour_https(demo["hub"]["https"], context)),
        Way("grpc hub", documents + images, throw_grpc(demo["hub"]["grpc"], http2), neighbour_grpc(demo["hub"]["grpc"], http2)),
    ]  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("demo", type=pathlib.Path)
    parser.add_argument("corpus", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=pathlib.Path)
    asked = parser.parse_args()
    demo, folder = json.loads(asked.demo.read_text(encoding="utf-8")), asked.demo.resolve().parent
    processes = {"hub": demo["hub"], **{node["name"]: node for node in demo["nodes"]}}
    logs = {name: (folder / process["log"]) for name, process in processes.items()}
    seen = {name: log.stat().st_size for name, log in logs.items()}
    before = {name: memory(process["pid"]) for name, process in processes.items()}

    until, all_ways, held, broken = time.monotonic() + asked.seconds, ways(demo, folder, asked.corpus), {}, []

    def guarded(work, *arguments):
        try:
            work(*arguments)
        except Exception as error:  # a finding, or a mistake of this program: either fails the run
            broken.append(f"{type(error).__name__}: {error}")

    node = demo["nodes"][0]
    slow = [
        ("mllp", place(node["mllp"]), VT + mutate.REPORT),
        ("dicom", place(node["dicom"]["address"]), association(node["dicom"]["ae_title"])),
        ("https", place(demo["hub"]["https"].removeprefix("https://")), b"\x16\x03\x01\x02\x00"),
        ("grpc", place(demo["hub"]["grpc"]), b"\x16\x03\x01\x02\x00"),
    ]
    attackers = [(way, place) for way in all_ways for place in range(ATTACKERS)]
    threads = [threading.Thread(target=guarded, args=(way.attack, f"{asked.seed}.{at}", until)) for way, at in attackers]
    threads += [threading.Thread(target=guarded, args=(way.live, until)) for way in all_ways]
    threads.append(threading.Thread(target=guarded, args=(hold, slow, until, held)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for way in all_ways:  # and when it is over
        guarded(way.neighbour, 999_999)

    panics = {name: log.read_bytes()[seen[name] :].count(b"panicked at") for name, log in logs.items()}
    mistakes = {name: log.read_bytes()[seen[name] :].count(b"by a mistake of the program") for name, log in logs.items()}
    after = {name: memory(process["pid"]) for name, process in processes.items()}
    figures = {
        "seed": asked.seed,
        "seconds": asked.seconds,
        "ways": {way.name: {key: value for key, value in vars(way.count).items() if key != "lost_why"} for way in all_ways},
        "held_open": held,
        "panics": panics,
        "mistakes": mistakes,
        "memory_mib": {name: [before[name], after[name]] for name in processes},
    }
    print(f"{'':12}{'tried':>8}{'accepted':>9}{'refused':>9}{'closed':>8}{'neighbour':>11}{'lost':>6}")
    for way in all_ways:
        it = way.count
        print(f"{way.name:12}{it.tried:8}{it.accepted:9}{it.refused:9}{it.closed:8}{it.good:11}{it.lost:6}")
    print("held open:", ", ".join(f"{name} {number}" for name, number in held.items()))
    for name in processes:
        print(f"{name}: panics {panics[name]}, mistakes {mistakes[name]}, memory {before[name]} -> {after[name]} MiB")
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    broken += [f"{way.name}: neighbour lost: {why}" for way in all_ways for why in way.count.lost_why[:3]]
    broken += [f"{name} has panicked" for name in panics if panics[name] or mistakes[name]]
    broken += [f"{name} is no more" for name in after if after[name] is None]
    broken += [f"{name} takes {size} MiB" for name, size in after.items() if size and size > MEMORY_MIB_MAX]
    for way in all_ways:
        if way.count.tried == 0:
            broken.append(f"{way.name}: nothing was tried")
    for line in broken:
        print("BROKEN", line)
    sys.exit(1 if broken else 0)


ATTACKERS = 4
# Bounded memory: whatever is thrown at it, a process stays below this.
MEMORY_MIB_MAX = 1024

if __name__ == "__main__":
    main()
