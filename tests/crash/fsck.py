#!/usr/bin/env python3
"""Checks the data folders of a stopped hub and its nodes against what their callers were told.

Shares no code with what wrote them: it reads the formats as ARCHITECTURE.md and proto/ describe them, with nothing but
Python's own library (signatures only where the package `cryptography` is installed).

    fsck.py --hub DIR [--node CODE=DIR ...] [--ledger FILE] [--unsettled]

A ledger is a file of JSON: what was acknowledged, as tests/crash writes it. `--unsettled` is for folders of processes
that were killed: a torn tail, tiles behind the journal and batches without receipt are then no fault.
Prints one line of figures, or each fault in a line and ends with status 1.
"""
import argparse
import base64
import hashlib
import json
import pathlib
import struct
import sys
import zlib

try:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
except ImportError:
    Ed25519PublicKey = None

FAULTS = []


def fault(where, what):
    FAULTS.append(f"{where}: {what}")


def sha256(data):
    return hashlib.sha256(data).digest()


# --- protobuf -------------------------------------------------------------------------------------------------------

def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, at


def fields(data):
    """Gives a message as {field number: [values in order]}; numbers as they are on the wire, the rest as bytes."""
    found, at = {}, 0
    while at < len(data):
        tag, at = varint(data, at)
        number, form = tag >> 3, tag & 7
        if form == 0:
            value, at = varint(data, at)
        elif form == 1:
            value, at = data[at:at + 8], at + 8
        elif form == 2:
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
            if len(value) != length:
                raise ValueError("a field is cut short")
        elif form == 5:
            value, at = data[at:at + 4], at + 4
        else:
            raise ValueError(f"wire type {form}")
        found.setdefault(number, []).append(value)
    return found


def one(message, number, default=b""):
    return message.get(number, [default])[-1]


def text(message, number):
    return one(message, number).decode()


# --- RFC 6962 -------------------------------------------------------------------------------------------------------

def leaf_hash(entry):
    return sha256(b"\0" + entry)


def root_of(leaves):
    """Gives the Merkle tree hash of leaf hashes."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\1" + root_of(leaves[:split]) + root_of(leaves[split:]))


def follows(leaf, index, size, root, path):
    """Says whether an inclusion proof leads from the leaf to the root (RFC 9162, 2.1.3.2)."""
    if index >= size:
        return False
    place, last, reached = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            reached = sha256(b"\1" + sibling + reached)
            while not place & 1 and place:
                place >>= 1
                last >>= 1
        else:
            reached = sha256(b"\1" + reached + sibling)
        place >>= 1
        last >>= 1
    return last == 0 and reached == root


# --- the journal ----------------------------------------------------------------------------------------------------

def journal(folder, settled):
    """Gives the records of a journal as (kind, payload), in order, and judges every byte of its files."""
    records, segments = [], sorted(folder.glob("*.journal"))
    if not segments:
        fault(folder, "there is no segment")
    for place, path in enumerate(segments):
        data, is_last = path.read_bytes(), place + 1 == len(segments)
        if int(path.name.removesuffix(".journal")) != len(records):
            fault(path, f"begins at another record than {len(records)}")
            return records
        if is_last and not settled and len(data) < 24:
            return records
        magic, version, first, crc = struct.unpack_from("<8sIQI", data)
        if (magic, version, first) != (b"CNCDJRNL", 1, len(records)) or zlib.crc32(data[:20]) != crc:
            fault(path, "has a wrong header")
            return records
        records, end = frames(path, data, records, settled or not is_last)
        seal = path.with_name(path.name + ".sha256")
        if is_last:
            if seal.exists():
                fault(seal, "seals the segment that is being written")
        elif not seal.exists():
            if settled:
                fault(path, "is not sealed")
        elif seal.read_text() != f"{hashlib.sha256(data).hexdigest()}  {path.name}\n":
            fault(seal, "does not match its segment")
    return records


def frames(path, data, records, whole):
    at, group = 24, 0
    while at < len(data):
        head = data[at:at + 21]
        if len(head) < 21:
            break
        crc, length, sequence, place, kind = struct.unpack("<IIQIB", head)
        body = data[at + 4:at + 21 + length]
        if len(body) != 17 + length or zlib.crc32(body) != crc:
            break
        if sequence != len(records):
            fault(path, f"record {sequence} stands where {len(records)} belongs")
            return records, at
        group = 0 if place == 0 else group + 1
        if place != group:
            fault(path, f"record {sequence} has place {place} in its group, not {group}")
        records.append((kind, body[17:]))
        at += 21 + length
    if at < len(data) and whole:
        fault(path, f"{len(data) - at} bytes after record {len(records) - 1} are no record")
    return records, at


# --- the log --------------------------------------------------------------------------------------------------------

def tile_name(index):
    parts = []
    while True:
        parts.append(f"{index % 1000:03d}")
        index //= 1000
        if not index:
            break
    return "/".join(["x" + part for part in reversed(parts[1:])] + [parts[0]])


def note(data, verifier):
    """Gives size and root of a signed checkpoint."""
    body, _, signatures = data.decode().partition("\n\n")
    origin, size, root = body.split("\n")[:3]
    name, key_hash, key = verifier.strip().split("+", 2)
    key = base64.b64decode(key)
    if origin != name or hashlib.sha256(name.encode() + b"\n" + key).hexdigest()[:8] != key_hash:
        fault("checkpoint", "is of another log")
    lines = [line.split(" ") for line in signatures.splitlines() if line]
    own = [base64.b64decode(line[2]) for line in lines if line[0] == "—" and line[1] == name]
    own = [signature for signature in own if signature[:4].hex() == key_hash]
    if not own:
        fault("checkpoint", "is not signed by its log")
    elif Ed25519PublicKey:
        try:
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(own[0][4:], (body + "\n").encode())
        except InvalidSignature:
            fault("checkpoint", "has a wrong signature")
    return int(size), base64.b64decode(root)


def public_log(data, records, settled):
    """Judges checkpoint, head and every tile by the journal. Gives the leaves."""
    entries = [sha256(bytes([kind]) + payload) for kind, payload in records]
    leaves = [leaf_hash(entry) for entry in entries]
    size = saved = 0
    if (data / "checkpoint").exists():
        size, root = note((data / "checkpoint").read_bytes(), (data / "log.vkey").read_text())
        if size > len(leaves):
            fault("checkpoint", f"promises {size} records, the journal holds {len(leaves)}")
        elif root_of(leaves[:size]) != root:
            fault("checkpoint", "has another root than the journal")
    elif settled:
        fault("checkpoint", "is missing")
    if (data / "head").exists():
        number, root = (data / "head").read_text().split()
        saved = int(number)
        if saved > len(leaves) or root_of(leaves[:saved]) != bytes.fromhex(root):
            fault("head", f"is not the root of the journal's first {saved} records")
    if saved < size:
        fault("head", f"covers {saved} records, the checkpoint {size}")
    if settled and size != len(leaves):
        fault("checkpoint", f"covers {size} of {len(leaves)} records")
    tiles(data / "tile", entries, leaves, saved, settled)
    return leaves


def tiles(folder, entries, leaves, size, settled):
    expected = {}
    level, hashes = 0, leaves[:size]
    bundles = [(struct.pack(">H", 32) + entry) for entry in entries[:size]]
    rows = {"entries": bundles}
    while hashes:
        rows[str(level)] = hashes
        hashes = [root_of(hashes[at:at + 256]) for at in range(0, len(hashes) // 256 * 256, 256)]
        level += 1
    for row, parts in rows.items():
        for index in range(0, len(parts), 256):
            width = min(256, len(parts) - index)
            name = f"{row}/{tile_name(index // 256)}" + (f".p/{width}" if width < 256 else "")
            expected[name] = b"".join(parts[index:index + width])
    for name, content in expected.items():
        path = folder / name
        if not path.exists():
            fault(path, "is missing")
        elif path.read_bytes() != content:
            fault(path, "differs from the journal")
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} if folder.exists() else set()
    for name in sorted(found - set(expected)):
        if settled:
            fault(folder / name, "belongs to no tree of this size")


# --- chains ---------------------------------------------------------------------------------------------------------

class Batch:
    """A signed batch, as its publisher wrote it."""

    def __init__(self, data):
        signed = fields(data)
        self.bytes, self.header_bytes, self.signature = data, one(signed, 1), one(signed, 2)
        self.entries = signed.get(3, [])
        header = fields(self.header_bytes)
        self.organisation, self.key_id, self.sequence = text(header, 1), one(header, 2), one(header, 3, 0)
        self.previous, self.root, self.size = one(header, 4), one(header, 5), one(header, 6, 0)
        self.digest = sha256(self.header_bytes)


def chain(where, batches, keys):
    """Judges one publisher's batches in the order in which they were recorded."""
    sequence, previous = 0, bytes(32)
    for batch in batches:
        sequence += 1
        if batch.sequence != sequence:
            fault(where, f"batch {batch.sequence} stands where {sequence} belongs")
            sequence = batch.sequence
        elif batch.previous != previous:
            fault(where, f"batch {sequence} does not follow the one before it")
        if batch.size != len(batch.entries) or root_of([leaf_hash(entry) for entry in batch.entries]) != batch.root:
            fault(where, f"batch {sequence} has another root than its entries")
        if keys and Ed25519PublicKey:
            verify(where, batch, keys)
        previous = batch.digest


def verify(where, batch, keys):
    key = keys.get(batch.key_id)
    if key is None:
        fault(where, f"batch {batch.sequence} is signed by a key that is not recorded")
        return
    try:
        key.verify(batch.signature, b"concord/batch/v1\0" + batch.header_bytes)
    except InvalidSignature:
        fault(where, f"batch {batch.sequence} has a wrong signature")


def versions(where, batches):
    """Judges that each version of each result was published once, from 1 without holes."""
    known = {}
    for batch in batches:
        for data in batch.entries:
            entry = fields(data)
            result, version = one(entry, 1), one(entry, 2, 0)
            if version != known.get(result, 0) + 1:
                fault(where, f"batch {batch.sequence} has version {version} of a result after {known.get(result, 0)}")
            known[result] = version


def originals_of(batches):
    """Counts in how many reports each original is named; a panel's results name one report."""
    times = {}
    for batch in batches:
        for data in batch.entries:
            entry = fields(data)
            for original in entry.get(16, []):
                digest = one(fields(original), 1)
                times.setdefault(digest, []).append((one(entry, 1), one(entry, 2, 0)))
    return times


# --- the parts ------------------------------------------------------------------------------------------------------

def hub(data, settled):
    records = journal(data / "entries", settled)
    leaves = public_log(data, records, settled)
    batches, keys, decisions, checks, events, recalls, header = {}, {}, [], [], [], {}, None
    for index, (kind, payload) in enumerate(records):
        record = fields(payload)
        before, header = header, record if kind == 23 else None
        if kind == 1:
            batch = Batch(one(record, 1))
            batch.index = index
            if not before or (one(before, 1), one(before, 2)) != (batch.header_bytes, batch.signature):
                fault("hub", f"the record before batch {index} does not hold its header")
            batches.setdefault(batch.organisation, []).append(batch)
        elif kind == 2 and Ed25519PublicKey:
            certificate = x509.load_der_x509_certificate(one(record, 1))
            keys[one(record, 3)] = certificate.public_key()
        elif kind == 5:
            checks.append(record)
        elif kind == 6:
            decisions.append(record)
        elif kind == 8:
            events.append(record)
        elif kind == 19:
            recalls.setdefault(text(record, 1), []).extend(record.get(2, []))
    for organisation, own in batches.items():
        chain(f"hub, batches of {organisation}", own, keys)
        versions(f"hub, batches of {organisation}", own)
    return {"records": records, "leaves": leaves, "batches": batches, "decisions": decisions, "checks": checks,
            "events": events, "recalls": recalls}


def node(code, data, at_hub, settled):
    where = f"node {code}"
    records = journal(data / "journal", settled)
    messages, instances, sealed, receipts, recalls = [], [], [], [], []
    for kind, payload in records:
        record = fields(payload)
        if kind == 1:
            messages.append(record)
        elif kind == 2:
            instances.append(record)
        elif kind == 3:
            sealed.append(Batch(one(record, 1)))
        elif kind == 4:
            receipts.append(fields(one(record, 1)))
        elif kind == 19:
            recalls.append(one(fields(one(record, 1)), 1))
    chain(where, sealed, {})
    versions(where, sealed)
    kept = [(one(record, 4), one(record, 2)) for record in messages]
    kept += [(one(record, 1), one(record, 6)) for record in instances]
    for digest, inline in kept:
        if inline and sha256(inline) != digest:
            fault(where, f"original {digest.hex()} is not what was digested")
        if not inline:
            original(where, data, digest)
    if at_hub is not None:
        against_hub(where, code, sealed, receipts, at_hub, settled)
        for recall in at_hub["recalls"].get(code, []):
            if recalls.count(recall) != 1:
                fault(where, f"recall {recall.hex()} counts as delivered and is kept {recalls.count(recall)} times")
    return {"messages": messages, "instances": instances, "sealed": sealed, "receipts": receipts, "data": data,
            "records": records}


def original(where, data, digest):
    name = digest.hex()
    path = data / "originals" / name[:2] / name[2:4] / name
    if not path.exists():
        fault(where, f"original {name} is missing")
    elif sha256(path.read_bytes()) != digest:
        fault(where, f"original {name} is not what was digested")
    return path


def against_hub(where, code, sealed, receipts, at_hub, settled):
    taken, leaves = at_hub["batches"].get(code, []), at_hub["leaves"]
    for own, other in zip(sealed, taken):
        if own.bytes != other.bytes:
            fault(where, f"the hub holds another batch {own.sequence}")
    if len(taken) > len(sealed):
        fault(where, f"the hub holds {len(taken)} batches, the node sealed {len(sealed)}")
    if settled and len(taken) < len(sealed):
        fault(where, f"the hub holds {len(taken)} of {len(sealed)} batches")
    believed = set()
    for receipt in receipts:
        sequence, index = one(receipt, 1, 0), one(receipt, 3, 0)
        if sequence in believed:
            fault(where, f"batch {sequence} has two receipts")
        believed.add(sequence)
        body = text(receipt, 6).split("\n")
        size, root = int(body[1]), base64.b64decode(body[2])
        if sequence > len(taken) or taken[sequence - 1].index != index:
            fault(where, f"the receipt of batch {sequence} names record {index}, which is not that batch")
        elif size > len(leaves) or root_of(leaves[:size]) != root:
            fault(where, f"the receipt of batch {sequence} shows a log that the hub does not have")
        elif not follows(leaf_hash(one(receipt, 4)), index, size, root, receipt.get(5, [])):
            fault(where, f"the receipt of batch {sequence} proves nothing")
    if settled and len(believed) != len(sealed):
        fault(where, f"{len(sealed) - len(believed)} of {len(sealed)} batches have no receipt")


# --- what callers were told -----------------------------------------------------------------------------------------

def ledger(path, at_hub, nodes):
    told = json.loads(path.read_text())
    for code, acknowledged in told["messages"].items():
        at_node, kept = nodes[code], {}
        for record in at_node["messages"]:
            kept[one(record, 4).hex()] = kept.get(one(record, 4).hex(), 0) + 1
        for digest in acknowledged:
            if kept.get(digest, 0) != 1:
                fault(f"node {code}", f"message {digest} was acknowledged and is kept {kept.get(digest, 0)} times")
        published = originals_of(at_hub["batches"].get(code, []))
        for digest, results in acknowledged.items():
            seen = published.get(bytes.fromhex(digest), [])
            if len(seen) != results or len(set(seen)) != results:
                fault(f"hub, batches of {code}", f"message {digest} is named by {len(seen)} results, not {results}")
    for code, acknowledged in told["instances"].items():
        stored(code, acknowledged, nodes[code], at_hub["batches"].get(code, []))
    same(told["decisions"], at_hub["decisions"], "decision", 1, 2, decision_of)
    same(told["events"], at_hub["events"], "event", 1, 2, lambda record: [one(record, 4).hex()])
    same(told["checks"], at_hub["checks"], "check", 1, 2, lambda record: sorted(
        one(fields(prompt), 1).hex() for prompt in record.get(10, [])))


def stored(code, acknowledged, at_node, batches):
    kept, published = {}, originals_of(batches)
    for record in at_node["instances"]:
        kept.setdefault(text(record, 3), []).append(record)
    for uid, (digest, length) in acknowledged.items():
        found = kept.get(uid, [])
        if len(found) != 1:
            fault(f"node {code}", f"instance {uid} was acknowledged and is kept {len(found)} times")
            continue
        stored_file = one(found[0], 6)
        if not stored_file:
            path = original(f"node {code}", at_node["data"], one(found[0], 1))
            stored_file = path.read_bytes() if path.exists() else None
        if stored_file is not None and hashlib.sha256(stored_file[-length:]).hexdigest() != digest:
            fault(f"node {code}", f"instance {uid} is not what was sent")
        if one(found[0], 1) not in published:
            fault(f"hub, batches of {code}", f"instance {uid} is in no published study")


def decision_of(record):
    decided = [fields(decision) for decision in record.get(4, [])]
    return sorted(one(it, 1).hex() + ("+" if 2 in it else "-") for it in decided)


def same(told, records, what, organisation, key, content):
    """Judges that each thing acknowledged under a key is recorded once, as it was acknowledged."""
    found = {}
    for record in records:
        found.setdefault((text(record, organisation), text(record, key)), []).append(content(record))
    for code, name, expected in told:
        kept = found.get((code, name), [])
        if len(kept) != 1:
            fault("hub", f"{what} {name} of {code} was acknowledged and is recorded {len(kept)} times")
        elif kept[0] != expected:
            fault("hub", f"{what} {name} of {code} is recorded as {kept[0]}, acknowledged as {expected}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hub", type=pathlib.Path, required=True)
    parser.add_argument("--node", action="append", default=[])
    parser.add_argument("--ledger", type=pathlib.Path)
    parser.add_argument("--unsettled", action="store_true")
    given = parser.parse_args()
    settled = not given.unsettled
    nodes = {}
    try:
        at_hub = hub(given.hub, settled)
        for code, _, data in (argument.partition("=") for argument in given.node):
            nodes[code] = node(code, pathlib.Path(data), at_hub, settled)
        if given.ledger:
            ledger(given.ledger, at_hub, nodes)
    except (ValueError, IndexError, struct.error, OSError) as error:
        fault("fsck", f"{type(error).__name__}: {error}")
    for line in FAULTS:
        print(line)
    if FAULTS:
        sys.exit(1)
    figures = {"records": len(at_hub["records"]), "batches": sum(map(len, at_hub["batches"].values())),
               "nodes": {code: len(it["records"]) for code, it in nodes.items()},
               "signatures": "checked" if Ed25519PublicKey else "not checked"}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
