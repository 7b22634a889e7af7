"""What a running demo says of itself in demo.json: addresses, certificates and invented patients."""

import json
import pathlib
import sys


class Demo:
    """Reads demo.json; paths in it may be relative to it."""

    def __init__(self, path):
        self.folder = pathlib.Path(path).parent
        self.content = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        self.hub = self.content["hub"]["grpc"]
        self.nodes = self.content["nodes"]
        self.patients = self.content["patients"]

    def file(self, name):
        """Gives the bytes of a file that demo.json names."""
        return (self.folder / name).read_bytes()

    def authority(self):
        """Gives the certificate of the region's authority, PEM."""
        return self.file(self.content["ca"])

    def client(self, role, org=None):
        """Gives (certificate, key), PEM, of a client of that role, and of that organisation if one is named."""
        for client in self.content["clients"]:
            if client["role"] == role and org in (None, client["org"]):
                return self.file(client["cert"]), self.file(client["key"])
        raise AssertionError(f"demo.json has no client of role {role} and organisation {org}")


def same(found, expected, what):
    """Fails with both values when they differ."""
    assert found == expected, f"{what}: {found!r} in place of {expected!r}"
    print(f"ok: {what}")


def patient_of(patient):
    """Gives a patient of demo.json as a concord.v1.Patient in JSON form."""
    identifiers = [{name: one[name] for name in ("type", "authority", "value")} for one in patient["identifiers"]]
    return {"identifiers": identifiers, **{name: patient[name] for name in ("sex", "birth_date") if name in patient}}


if __name__ == "__main__":
    # demo.py DEMO_JSON KEY ..: prints one value of the file, for shell scripts.
    value = Demo(sys.argv[1]).content
    for key in sys.argv[2:]:
        value = value[int(key)] if key.isdigit() else value[key]
    print(value)
