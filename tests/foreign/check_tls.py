"""sslscan, which nobody here wrote, against every TLS door of the demo: versions, suites, renegotiation, certificate."""

import datetime
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

from demo import Demo, same

SUITES = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
GROUPS = {"x25519", "secp256r1 (NIST P-256)", "secp384r1 (NIST P-384)"}


def scan(demo, address, org):
    """Scans one door under a hospital's certificate, which some of them want to see."""
    client = next(it for it in demo.content["clients"] if it["role"] == "hospital" and it["org"] == org)
    shown = [f"--certs={demo.folder / client['cert']}", f"--pk={demo.folder / client['key']}"]
    command = ["sslscan", "--no-colour", "--sni-name=localhost", "--xml=-", *shown, address]
    output = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    return ElementTree.fromstring(output[output.index(b"<?xml") :]).find("ssltest")


def check(name, found, region, org):
    """Holds what was found against what a door may offer."""
    enabled = {(it.get("type"), it.get("version")) for it in found.iter("protocol") if it.get("enabled") == "1"}
    same(enabled, {("tls", "1.3")}, f"{name}: TLS 1.3 and nothing older")
    offered = {it.get("cipher") for it in found.iter("cipher")}
    assert offered and offered <= SUITES, f"{name} offers {offered}"
    print(f"ok: {name}: {len(offered)} suites, authenticated encryption all")
    groups = {it.get("name") for it in found.iter("group")}
    assert groups and groups <= GROUPS, f"{name} offers {groups}"
    same(found.find("renegotiation").get("supported"), "0", f"{name}: no renegotiation")
    compression = found.find("compression")
    assert compression is None or compression.get("supported") == "0", f"{name} compresses"
    bled = [it.get("vulnerable") for it in found.iter("heartbleed")]
    same(set(bled), {"0"}, f"{name}: no heartbeat to bleed")
    certificate = found.find("certificates/certificate")
    same(certificate.findtext("signature-algorithm"), "ecdsa-with-SHA256", f"{name}: signature of the certificate")
    key = certificate.find("pk")
    same((key.get("type"), key.get("curve_name")), ("EC", "prime256v1"), f"{name}: key of the certificate")
    names = certificate.findtext("altnames")
    assert f"URI:spiffe://{region}.concord/" in names and org in names and "DNS:localhost" in names, names
    same(certificate.findtext("self-signed"), "false", f"{name}: signed by the authority")
    same(certificate.findtext("expired"), "false", f"{name}: in time")
    until = datetime.datetime.strptime(certificate.findtext("not-valid-after"), "%b %d %H:%M:%S %Y GMT")
    days = (until - datetime.datetime.utcnow()).days
    assert 0 <= days <= 398, f"{name}: valid for {days} days more"


def main(demo):
    """Scans every door of the hub and of every node."""
    hub = demo.content["hub"]
    hospital = demo.nodes[0]["org"]
    doors = [("hub gRPC", hub["grpc"], hub["org"], hospital), ("hub HTTPS", hub["https"], hub["org"], hospital)]
    for node in demo.nodes:
        for kind in ("grpc", "https"):
            doors.append((f"{node['name']} {kind}", node[kind], node["org"], node["org"]))
    for name, address, org, caller in doors:
        port = address.rsplit(":", 1)[1]
        check(name, scan(demo, f"127.0.0.1:{port}", caller), demo.content["region"], org)


if __name__ == "__main__":
    main(Demo(sys.argv[1]))
