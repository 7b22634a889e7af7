"""The hub's log, verified by code that shares nothing with the hub: Python's standard library alone.

check_log.py DEMO_JSON WORK    the log of a running demo: as files, over gRPC, and after it was tampered with
check_log.py --folder DIR      a data folder, or a copy of `checkpoint`, `tile` and `log.vkey`; with `entries` its records too
check_log.py --proof FILE LOG_KEY [WITNESS_KEYS]    the proof that came with a result, and files with the keys

C2SP signed-note, tlog-checkpoint, tlog-tiles, tlog-cosignature, tlog-proof; RFC 6962; RFC 8032.
"""

import base64
import hashlib
import pathlib
import shutil
import struct
import sys
import time
import zlib

WIDTH = 256
SIGNATURE, COSIGNATURE = 1, 4


class Wrong(Exception):
    """Something does not agree; the text names it."""


# Ed25519, as in RFC 8032, 5.1.7: slow, and nobody else's.

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


def add(one, other):
    """Adds two points in extended coordinates."""
    a, b = (one[1] - one[0]) * (other[1] - other[0]) % P, (one[1] + one[0]) * (other[1] + other[0]) % P
    c, d = 2 * one[3] * other[3] * D % P, 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number, point):
    """Multiplies a point."""
    result = (0, 1, 1, 0)
    while number:
        if number & 1:
            result = add(result, point)
        point, number = add(point, point), number >> 1
    return result


def decompress(data):
    """Reads a point; nothing where the bytes are none."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def signed(key, message, signature):
    """Says whether an Ed25519 signature holds."""
    point, nonce = decompress(key), decompress(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or point is None or nonce is None or scalar >= L:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    left, right = times(scalar, BASE), add(nonce, times(challenge, point))
    return all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))


# Notes, checkpoints, cosignatures.


def key_of(text, kind):
    """Reads a verifier key of a type: (name, id, public key)."""
    name, identity, encoded = text.strip().split("+", 2)
    typed = base64.b64decode(encoded, validate=True)
    expected = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4]
    if typed[0] != kind or len(typed) != 33 or expected.hex() != identity:
        raise Wrong(f"{name}: not a verifier key of type {kind}")
    return name, expected, typed[1:]


def lines_of(note):
    """Takes a signed note apart: its text, and (name, id, signature) of each line."""
    text, mark, signatures = note.rpartition("\n\n")
    if not mark or not signatures.endswith("\n"):
        raise Wrong("not a signed note")
    lines = []
    for line in signatures[:-1].split("\n"):
        dash, name, encoded = line.split(" ")
        decoded = base64.b64decode(encoded, validate=True)
        if dash != "\u2014" or base64.b64encode(decoded).decode() != encoded or len(decoded) < 5:
            raise Wrong("a signature line is malformed")
        lines.append((name, decoded[:4], decoded[4:]))
    return text + "\n", lines


def opened(note, key):
    """Verifies a checkpoint under the log's key; gives (size, root)."""
    name, identity, public = key
    text, lines = lines_of(note)
    own = [signature for line, number, signature in lines if (line, number) == (name, identity)]
    if not own or not all(signed(public, text.encode(), signature) for signature in own):
        raise Wrong("the checkpoint is not signed by the log's key")
    origin, size, root = text.split("\n")[:3]
    if origin != name or str(int(size)) != size:
        raise Wrong("the checkpoint is another log's")
    return int(size), base64.b64decode(root, validate=True)


def witnesses_of(note, keys):
    """Verifies the cosignatures under a checkpoint; gives {name: seconds since 1970}."""
    text, lines = lines_of(note)
    known = {(name, identity): public for name, identity, public in keys}
    found = {}
    for name, identity, signature in lines:
        if (name, identity) not in known:
            continue
        at = int.from_bytes(signature[:8], "big")
        message = f"cosignature/v1\ntime {at}\n{text}".encode()
        if len(signature) != 72 or not signed(known[name, identity], message, signature[8:]):
            raise Wrong(f"the cosignature of {name} does not hold")
        found[name] = at
    return found


# The tree.


def leaf(entry):
    """Hashes an entry."""
    return hashlib.sha256(b"\0" + entry).digest()


def node(left, right):
    """Hashes two neighbours."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(hashes):
    """Computes the root over hashes of one level, by the split of RFC 6962."""
    if not hashes:
        return hashlib.sha256().digest()
    while len(hashes) > 1:
        paired = [node(hashes[i], hashes[i + 1]) for i in range(0, len(hashes) - 1, 2)]
        hashes = paired + hashes[len(paired) * 2 :]
    return hashes[0]


def included(entry, index, size, proof, root):
    """Verifies an inclusion proof. RFC 9162, 2.1.3.2."""
    if index >= size:
        return False
    place, last, result = index, size - 1, leaf(entry)
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            result = node(sibling, result)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            result = node(result, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and result == root


def consistent(first, first_root, second, second_root, proof):
    """Verifies a consistency proof. RFC 9162, 2.1.4.2."""
    if first == second:
        return not proof and first_root == second_root
    if first == 0:
        return not proof
    if first & (first - 1) == 0:
        proof = [first_root, *proof]
    if not proof:
        return False
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = proof[0]
    for sibling in proof[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node(sibling, old), node(sibling, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node(new, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


# The proof of one result.


def varint(number):
    """Writes a number as protobuf does."""
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    return bytes([*written, number])


def fields(data):
    """Cuts a protobuf message into its fields, in order: (number, bytes or number)."""
    found, place = [], 0

    def number():
        nonlocal place
        value = shift = 0
        while place < len(data) and shift < 64:
            byte, place = data[place], place + 1
            value, shift = value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value
        raise Wrong("a message is cut short")

    while place < len(data):
        tag, value = number(), number()
        if tag & 7 == 2:
            value, place = data[place : place + value], place + value
        elif tag & 7:
            raise Wrong("a message has a field of a strange kind")
        if place > len(data):
            raise Wrong("a message is cut short")
        found.append((tag >> 3, value))
    return found


def extra_of(data):
    """Reads what leads from a result to the log: (entry, its place, path in the batch, record)."""
    found = fields(data)
    entry, place, path, record = ([value for number, value in found if number == wanted] for wanted in (1, 2, 3, 4))
    # There is one way to write it; place 0 is left out.
    written = b"".join(
        varint(number << 3) + varint(value) if number == 2 else varint(number << 3 | 2) + varint(len(value)) + value
        for number, values in ((1, entry), (2, place), (3, path), (4, record))
        for value in values
    )
    if written != data or len(entry) != 1 or len(place) > 1 or 0 in place or len(record) != 1:
        raise Wrong("the extra data are malformed")
    return entry[0], sum(place), path, record[0]


def decoded(text):
    """Decodes base64 of the one spelling."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise Wrong("base64 of another spelling")
    return data


def proved(text, key, witnesses):
    """Verifies the proof of a result; gives (entry, batch header, witnesses), messages as {number: value}."""
    head, mark, note = text.partition("\n\n")
    lines = head.split("\n")
    if not mark or len(lines) < 3 or lines[0] != "c2sp.org/tlog-proof@v1":
        raise Wrong("not a proof")
    (extra, encoded), (index, number) = lines[1].split(" "), lines[2].split(" ")
    if (extra, index) != ("extra", "index") or str(int(number)) != number or int(number) < 0:
        raise Wrong("not a proof of a result")
    entry, place, path, record = extra_of(decoded(encoded))
    hashes = [decoded(line) for line in lines[3:]]
    if any(len(one) != 32 for one in [*path, *hashes]):
        raise Wrong("a hash is not 32 bytes long")
    # Signatures are slow here: what the checkpoint says is believed for as long as everything else fits it.
    size, root = note.split("\n")[1:3]
    if not included(hashlib.sha256(b"\x17" + record).digest(), int(number), int(size), hashes, decoded(root)):
        raise Wrong(f"record {number} is not in the log")
    header = dict(fields(dict(fields(record))[1]))
    if not included(entry, place, header[6], path, header[5]):
        raise Wrong(f"entry {place} is not in its batch")
    result = dict(fields(entry))
    if result[4] != header[1]:
        raise Wrong("the entry names another publisher")
    if opened(note, key) != (int(size), decoded(root)):
        raise Wrong("the checkpoint is written in another way")
    found = witnesses_of(note, witnesses)
    if {name for name, _, _ in lines_of(note)[1]} != {key[0], *found}:
        raise Wrong("the checkpoint has a signature that cannot be checked")
    return result, header, found


def check_proofs(demo, key, named):
    """Prompts of a node come with proofs, which lead to the log of the files, and hold no changed byte."""
    from check_grpc import prompts_anywhere

    node, check, answer = prompts_anywhere(demo)
    assert not any(prompt.proof for line in answer.lines for prompt in line.prompts), "a proof that nobody asked for"
    found, until = {}, time.monotonic() + 60
    # The hub's own signature is there at once; what witnesses cosigned covers a result some seconds after it came.
    while not found and time.monotonic() < until:
        again = node.call("concord.v1.Orders", "Check", {**check, "proofs": True})
        prompts = [prompt for line in again.lines for prompt in line.prompts if prompt.proof]
        assert prompts, "no prompt has a proof"
        found = proved(prompts[0].proof, key, list(named.values()))[2]
        time.sleep(0 if found else 2)
    assert found, "no witness vouches for a result"
    for prompt in prompts:
        result, _, _ = proved(prompt.proof, key, list(named.values()))
        assert result[1] == prompt.result.result_id and result[4].decode() == prompt.result.organisation
        index = int(prompt.proof.split("\n")[2].split(" ")[1])
        assert index + 1 == prompt.result.log_index, "the header stands right before its batch"
    text = prompts[0].proof
    sound, note = text.encode(), len(text.partition("\n\n")[0].encode())
    # Every byte of what binds result, batch and record, and of the signatures every seventh.
    for place in [*range(note), *range(note, len(sound), 7)]:
        changed = bytearray(sound)
        changed[place] ^= 1
        try:
            is_sound = proved(changed.decode(), key, list(named.values())) is not None
        except (Wrong, ValueError, LookupError, TypeError):
            is_sound = False
        assert not is_sound, f"byte {place} of a proof may be changed"
    print(f"ok: {len(prompts)} prompts are proved, {len(found)} witnesses vouch for one; a changed byte is found")


# Tiles.


def tile_name(level, index, width):
    """Gives the path of a tile, or of a bundle of entries."""
    parts = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        parts.insert(0, f"x{index % 1000:03d}")
    return f"tile/{level}/{'/'.join(parts)}" + (f".p/{width}" if width < WIDTH else "")


def tile_in(folder, level, index, width):
    """Reads a tile, or the front of a wider one where the log has grown since."""
    unit = 34 if level == "entries" else 32
    for wider in range(width, WIDTH + 1):
        path = folder / tile_name(level, index, wider)
        if path.exists():
            content = path.read_bytes()
            if len(content) != wider * unit:
                raise Wrong(f"{path.name} has a wrong length")
            return content[: width * unit]
    raise Wrong(f"{tile_name(level, index, width)} is missing")


def hashes_in(content):
    """Cuts a tile into hashes."""
    return [content[i : i + 32] for i in range(0, len(content), 32)]


def entries_in(content):
    """Cuts a bundle into entries."""
    entries, place = [], 0
    while place < len(content):
        length = int.from_bytes(content[place : place + 2], "big")
        entries.append(content[place + 2 : place + 2 + length])
        place += 2 + length
    return entries


def verified(folder, note, key):
    """Verifies a log from its files; gives its entries."""
    size, root = opened(note, key)
    entries = []
    for index in range(-(-size // WIDTH)):
        entries += entries_in(tile_in(folder, "entries", index, min(WIDTH, size - index * WIDTH)))
    if len(entries) != size:
        raise Wrong(f"{len(entries)} entries where the checkpoint has {size}")
    level, hashes = 0, [leaf(entry) for entry in entries]
    if root_of(hashes) != root:
        raise Wrong("the entries do not lead to the root of the checkpoint")
    while hashes:
        for index in range(-(-len(hashes) // WIDTH)):
            expected = hashes[index * WIDTH : (index + 1) * WIDTH]
            if hashes_in(tile_in(folder, level, index, len(expected))) != expected:
                raise Wrong(f"{tile_name(level, index, len(expected))} is not that of the entries")
        full = len(hashes) // WIDTH
        hashes = [root_of(hashes[i * WIDTH : (i + 1) * WIDTH]) for i in range(full)]
        level += 1
    return entries


def records_in(journal):
    """Reads a hub's journal; gives the log entry of each record, in order."""
    expected = 0
    for path in sorted(journal.glob("*.journal")):
        content = path.read_bytes()
        if content[:8] != b"CNCDJRNL" or zlib.crc32(content[:20]) != struct.unpack_from("<I", content, 20)[0]:
            raise Wrong(f"{path.name} has no header")
        place = 24
        while place + 21 <= len(content):
            checksum, length, sequence = struct.unpack_from("<IIQ", content, place)
            end = place + 21 + length
            if end > len(content) or zlib.crc32(content[place + 4 : end]) != checksum:
                return
            if sequence != expected:
                raise Wrong(f"record {expected} is missing: {sequence} stands in its place")
            yield hashlib.sha256(content[place + 20 : end]).digest()
            expected, place = expected + 1, end


def check_folder(folder, note, key):
    """Verifies tiles, checkpoint and, where they are there, records; gives the entries."""
    entries = verified(folder, note, key)
    if (folder / "entries").is_dir():
        found = 0
        for index, entry in zip(range(len(entries)), records_in(folder / "entries")):
            if entry != entries[index]:
                raise Wrong(f"record {index} is not the entry in the log")
            found += 1
        if found < len(entries):
            raise Wrong(f"record {found} is missing")
        print(f"ok: {found} records are the entries of the log")
    return entries


def check_cosignatures(folder, key, wait_s):
    """Verifies what witnesses have said of the log, once they have said it."""
    path, until = folder / "checkpoint.cosigned", time.monotonic() + wait_s
    while not path.exists() and time.monotonic() < until:
        time.sleep(1)
    if not path.exists():
        return {}
    keys = [key_of(line, COSIGNATURE) for line in (folder / "witnesses").read_text(encoding="utf-8").splitlines()]
    note = path.read_text(encoding="utf-8")
    size, root = opened(note, key)
    found = witnesses_of(note, keys)
    entries = verified(folder, note, key)
    print(f"ok: {len(found)} witnesses cosigned {size} entries, and their root is that of the files")
    # A signature takes a while to verify here: every byte of the text, and every seventh of the lines.
    length, text_length = len(note.encode()), len(note.rpartition("\n\n")[0].encode())
    for place in [*range(text_length), *range(text_length, length, 7)]:
        changed = bytearray(note.encode())
        changed[place] ^= 1
        try:
            text = changed.decode()
            is_sound = opened(text, key) == (size, root) and len(witnesses_of(text, keys)) == len(found)
        except (Wrong, ValueError):
            is_sound = False
        assert not is_sound, f"byte {place} of the cosigned checkpoint may be changed"
    assert len(entries) == size
    print("ok: a changed byte of the cosigned checkpoint is found")
    return found


def check_grpc(demo, folder, key, entries):
    """The same over gRPC: proofs from the hub, verified here, and refused when a byte is changed."""
    from concord_client import Client

    hub = Client(demo.hub, demo.authority(), demo.client("regulator"))
    answer = hub.call("concord.v1.Transparency", "Checkpoint", {})
    size, root = opened(answer.checkpoint, key)
    assert size >= len(entries) and answer.verifier_key == (folder / "log.vkey").read_text(encoding="utf-8").strip()
    old = root_of([leaf(entry) for entry in entries])
    asked = {"first": len(entries), "second": size}
    proof = list(hub.call("concord.v1.Transparency", "ConsistencyProof", asked).hashes)
    assert consistent(len(entries), old, size, root, proof), "the log over gRPC does not extend the files"
    for index in sorted({0, 1, size // 2, size - 1}):
        proved = hub.call("concord.v1.Transparency", "InclusionProof", {"log_index": index, "tree_size": size})
        hashes = list(proved.hashes)
        assert included(proved.log_entry, index, size, hashes, root), f"entry {index} is not proved"
        assert index >= len(entries) or proved.log_entry == entries[index]
        for place in range(len(hashes)):
            changed = [*hashes[:place], bytes([hashes[place][0] ^ 1]) + hashes[place][1:], *hashes[place + 1 :]]
            assert not included(proved.log_entry, index, size, changed, root), "a changed proof holds"
    tile = hub.call("concord.v1.Transparency", "Tile", {"path": tile_name(0, 0, min(WIDTH, len(entries)))})
    assert tile.content == tile_in(folder, 0, 0, min(WIDTH, len(entries)))
    print("ok: checkpoint, proofs and tiles over gRPC are those of the files")
    named = {}
    for organisation in demo.nodes:
        node_of = Client(organisation["grpc"], demo.authority(), demo.client("hospital", organisation["org"]))
        status = node_of.call("concord.v1.Node", "Status", {})
        assert not status.log_refused, status.log_refused
        witness = key_of(status.witness_key, COSIGNATURE)
        named[witness[0]] = witness
    return named


def check_tampering(folder, key, work):
    """A copy that was tampered with is found out, whatever was changed."""
    copy = work / "log"
    shutil.rmtree(copy, ignore_errors=True)
    note = (folder / "checkpoint").read_text(encoding="utf-8")
    size, _ = opened(note, key)
    shutil.copytree(folder / "tile", copy / "tile")
    verified(copy, note, key)
    paths = sorted(path for path in copy.rglob("*") if path.is_file())
    wanted = {tile_name(level, 0, min(WIDTH, size)) for level in (0, "entries")}
    for path in [path for path in paths if str(path.relative_to(copy)) in wanted]:
        whole = path.read_bytes()
        for place in (0, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            try:
                verified(copy, note, key)
            except Wrong:
                continue
            finally:
                path.write_bytes(whole)
            raise AssertionError(f"byte {place} of {path} may be changed")
    print("ok: a changed tile or bundle is found")


def main(arguments):
    """Runs what was asked for."""
    if arguments[0] == "--folder":
        folder = pathlib.Path(arguments[1])
        key = key_of((folder / "log.vkey").read_text(encoding="utf-8"), SIGNATURE)
        note = (folder / "checkpoint").read_text(encoding="utf-8")
        entries = check_folder(folder, note, key)
        print(f"ok: {len(entries)} entries under the checkpoint; {len(check_cosignatures(folder, key, 0))} witnesses")
        return
    if arguments[0] == "--proof":
        text, log, *rest = (pathlib.Path(path).read_text(encoding="utf-8") for path in arguments[1:])
        witnesses = [key_of(line, COSIGNATURE) for line in "".join(rest).splitlines()]
        result, header, found = proved(text, key_of(log, SIGNATURE), witnesses)
        name, of = result[1].hex(), header[1].decode()
        print(f"ok: result {name} of {of}, batch {header[3]}, is in the log; {len(found)} witnesses vouch for it")
        return
    from demo import Demo

    demo, work = Demo(arguments[0]), pathlib.Path(arguments[1])
    folder = demo.folder / "hub" / "data"
    key = key_of((folder / "log.vkey").read_text(encoding="utf-8"), SIGNATURE)
    note = (folder / "checkpoint").read_text(encoding="utf-8")
    entries = check_folder(folder, note, key)
    print(f"ok: {len(entries)} entries, tiles and checkpoint of the running hub verify")
    named = check_grpc(demo, folder, key, entries)
    found = check_cosignatures(folder, key, 60)
    assert found and set(found) <= set(named), f"{sorted(found)} cosigned, the nodes are {sorted(named)}"
    print(f"ok: {len(found)} of {len(named)} nodes have cosigned, under the keys that they name")
    check_tampering(folder, key, work)
    check_proofs(demo, key, named)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Wrong as wrong:
        print(f"WRONG: {wrong}")
        sys.exit(1)
