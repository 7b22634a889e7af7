"""Good inputs, and the ways in which they are made bad. Nothing here knows where they are thrown."""

import json
import pathlib
import struct

REPORT = "\r".join(
    [
        "MSH|^~\\&|LIS|LAB|CONCORD|NODE|20261120103000+0800||ORU^R01^ORU_R01|CONTROL|P|2.5.1||||||UNICODE UTF-8",
        "PID|1||H1^^^LAB^PI||测试^甲||19700101|F",
        "ORC|RE|CONTROL",
        "OBR|1|CONTROL|CONTROL|K^钾^LIS|||20261120103000+0800|||||||20261120103000+0800|SER^血清|||||||20261120103000+0800|||F",
        "OBX|1|NM|2823-3^Potassium^LN||4.1|mmol/L|3.5-5.3|N|||F|||20261120103000+0800",
        "",
    ]
).encode()

HOOK = json.dumps(
    {
        "hook": "order-sign",
        "hookInstance": "7d6f0c0e-6a5e-4f0f-9f0e-0a7a3c2b1d11",
        "context": {
            "userId": "Practitioner/D7", "patientId": "p1", "encounterId": "V1",
            "draftOrders": {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {
                "resourceType": "ServiceRequest", "id": "o1", "status": "draft", "intent": "order",
                "code": {"coding": [{"system": "http://loinc.org", "code": "2823-3"}]},
                "subject": {"reference": "Patient/p1"}}}]},
        },
        "prefetch": {"patient": {"resourceType": "Patient", "id": "p1", "identifier": [{"value": "H1"}]}},
    }
).encode()  # fmt: skip


def image():
    """Writes a small data set in implicit VR little endian: names, a sequence, two pixels."""

    def one(group, number, value):
        return struct.pack("<HHI", group, number, len(value)) + value

    inner = one(0x0008, 0x1155, b"1.2.3\0")
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner
    return b"".join(
        [
            one(0x0008, 0x0016, b"1.2.840.10008.5.1.4.1.1.2\0"), one(0x0008, 0x0018, b"1.2.3.4\0"),
            one(0x0008, 0x0060, b"CT"), one(0x0008, 0x1140, item), one(0x0010, 0x0020, b"H1"),
            one(0x0020, 0x000D, b"1.2.3\0"), one(0x0020, 0x000E, b"1.2.5\0"),
            one(0x0028, 0x0010, b"\1\0"), one(0x0028, 0x0011, b"\2\0"), one(0x7FE0, 0x0010, bytes(4)),
        ]
    )  # fmt: skip


def files(folder, size_max):
    """Reads the files of a folder, in order, without those that say where they come from."""
    found = sorted(path for path in pathlib.Path(folder).rglob("*") if path.is_file() and path.suffix != ".tsv")
    return [(path.name, path.read_bytes()) for path in found if path.stat().st_size <= size_max]


def messages(corpus):
    return [("report", REPORT), *files(corpus / "hl7", 1 << 20)]


def images(corpus):
    """Gives data sets: of a file, what stands behind its header."""
    found = [("image", image())]
    for name, data in files(corpus / "dicom", 4 << 20):
        if data[128:132] == b"DICM" and data[132:136] == b"\x02\0\0\0":
            found.append((name, data[144 + int.from_bytes(data[140:144], "little") :]))
        else:
            found.append((name, data))
    return found


def documents(corpus):
    return [("hook", HOOK), *files(corpus / "cdshooks", 1 << 20), *files(corpus / "fhir", 1 << 20)]


def bent(dice, data):
    """Flips bits, cuts, doubles or swaps a few bytes."""
    data = bytearray(data or b"\0")
    for _ in range(dice.choice([1, 1, 2, 8, 64])):
        at = dice.randrange(len(data))
        match dice.randrange(4):
            case 0:
                data[at] ^= 1 << dice.randrange(8)
            case 1:
                data[at] = dice.choice([0, 1, 127, 128, 254, 255])
            case 2:
                del data[at : at + dice.choice([1, 2, 16, 256])]
                data = data or bytearray(b"\0")
            case _:
                data[at:at] = data[at : at + dice.choice([1, 4, 64, 1024])]
    return bytes(data)


def lengths(dice, data):
    """Has what looks like a length claim something else."""
    data = bytearray(data.ljust(8, b"\0"))
    at = dice.randrange(len(data) - 3)
    claim = dice.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFFFFE, 0x80000000, len(data), 1 << 24])
    data[at : at + 4] = struct.pack(dice.choice("<>") + "I", claim)
    return bytes(data)


def charset(dice, data):
    """Says one character set and writes another, or cuts characters in two."""
    for said in (b"UNICODE UTF-8", b"ISO_IR 192", b"utf-8"):
        data = data.replace(said, dice.choice([b"GB 18030-2000", b"ISO_IR 58", b"8859/1", b"BIG-5", b"NONE", b"\xff\xfe"]))
    at = dice.randrange(len(data) + 1)
    return data[:at] + dice.choice([b"\xff", b"\xc3", b"\x81\x30\x81", b"\xed\xa0\x80", b"\x1b$B", b"\0", "金".encode("gb18030")]) + data[at:]


def huge(dice, way, data):
    """Makes one part very large."""
    size = dice.choice([1 << 16, 1 << 20, 20 << 20])
    if way == "mllp":
        return data + b"OBX|9|TX|N||" + dice.choice([b"x", b"~", b"&", b"^", b"|", b"\\"]) * size + b"\r"
    if way == "dicom":
        return data + struct.pack("<HHI", 0x7FE0, 0x0011, size) + bytes(size)
    return b'{"hook": "' + b"x" * size + b'"}'


def deep(dice, way, data):
    """Nests as deep as it goes."""
    depth = dice.choice([33, 129, 10_000])
    if way == "mllp":
        return data + b"OBX|9|CWE|N||" + b"&".join([b"a"] * depth) + b"\r"
    if way == "dicom":
        opening = struct.pack("<HHI", 0x0008, 0x1140, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
        return data[:64] + opening * depth
    if way.startswith("grpc"):
        return b"\x0a\x7f" * depth
    return dice.choice([b"[" * depth, b'{"a":' * depth, b'{"hook":' + b"[" * depth + b"]" * depth + b"}"])


def mutated(dice, way, data):
    """Gives the name of a mutation, and what it makes of the data."""
    name = dice.choices(
        ["as it is", "cut", "bent", "lengths", "charset", "huge", "deep", "noise"], [1, 4, 8, 4, 4, 1, 2, 2]
    )[0]
    match name:
        case "cut":
            return name, data[: dice.randrange(len(data) + 1)]
        case "bent":
            return name, bent(dice, data)
        case "lengths":
            return name, lengths(dice, data)
        case "charset":
            return name, charset(dice, data)
        case "huge":
            return name, huge(dice, way, data)
        case "deep":
            return name, deep(dice, way, data)
        case "noise":
            return name, dice.randbytes(dice.choice([0, 1, 16, 4096, 65536]))
        case _:
            return name, data
