"""grpcio with server reflection against hub and nodes: who may call, and one order from check to original."""

import base64
import hashlib
import pathlib
import subprocess
import sys
import uuid

from concord_client import Client, code_of
from demo import Demo, patient_of, same
from grpc import StatusCode

ACTOR = {"practitioner": "FOREIGN-DOCTOR", "department": "test"}
SERVICES = {"concord.v1.Identity", "concord.v1.Publication", "concord.v1.Orders", "concord.v1.Retrieval"}
REFUSED = (StatusCode.UNAVAILABLE, StatusCode.UNAUTHENTICATED)


def stranger(work):
    """Makes a certificate that no authority of the region signed."""
    certificate, key = work / "stranger.pem", work / "stranger.key"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=stranger".split()
    subprocess.run([*command, "-out", certificate, "-keyout", key], check=True, capture_output=True)
    return certificate.read_bytes(), key.read_bytes()


def check_who_may_call(demo, address, organisation, work):
    """Without a certificate of the region nothing answers, not even reflection."""
    services = Client(address, demo.authority(), demo.client("hospital", organisation)).services()
    assert "concord.v1.Orders" in services, f"reflection at {address} names {services}"
    for identity, who in (((None, None), "nobody"), (stranger(work), "a stranger")):
        client = Client(address, demo.authority(), identity)
        code = code_of(client.services)
        assert code in REFUSED, f"{who} was answered {code} at {address}"
        print(f"ok: {who} is refused at {address}")


def check_hub(demo):
    """Reflection, health, roles, and identifiers that the hub answers or refuses."""
    hub = Client(demo.hub, demo.authority(), demo.client("hospital"))
    missing = SERVICES - hub.services()
    same(missing, set(), "reflection names the services")
    health = hub.call("grpc.health.v1.Health", "Check", {})
    same(health.status, 1, "the hub is serving")
    person = patient_of(demo.patients[0])
    first, again = (hub.call("concord.v1.Identity", "Resolve", {"persons": [person]}) for _ in range(2))
    same(len(first.resolutions[0].pseudonym), 16, "a person is resolved to 16 bytes")
    same(again.resolutions[0].pseudonym, first.resolutions[0].pseudonym, "and to the same ones again")
    wrong = {"identifiers": [{"type": "CN-ID", "value": "520102198504120012"}]}
    resolution = hub.call("concord.v1.Identity", "Resolve", {"persons": [wrong]}).resolutions[0]
    same((resolution.outcome, resolution.pseudonym), (3, b""), "a wrong check character is malformed")
    check = {"check_key": str(uuid.uuid4()), "patient": person, "actor": ACTOR, "lines": [{"line_id": "1"}]}
    same(code_of(lambda: hub.call("concord.v1.Orders", "Check", check)), StatusCode.INVALID_ARGUMENT,
         "identifiers in a check are refused at the hub")  # fmt: skip
    other = Client(demo.hub, demo.authority(), demo.client("regulator"))
    same(code_of(lambda: other.call("concord.v1.Identity", "Resolve", {"persons": [person]})),
         StatusCode.PERMISSION_DENIED, "a regulator resolves nobody")  # fmt: skip


def prompts_anywhere(demo):
    """Orders what each patient already has, at each node, until a prompt comes; gives (node, check, answer)."""
    for organisation in demo.nodes:
        identity = demo.client("hospital", organisation["org"])
        node = Client(organisation["grpc"], demo.authority(), identity)
        for patient in map(patient_of, demo.patients):
            visit = {"encounter": str(uuid.uuid4()), "setting": "SETTING_OUTPATIENT"}
            about = {"patient": patient, "actor": ACTOR, "visit": visit, "language": "LANGUAGE_EN"}
            recent = node.call("concord.v1.Orders", "RecentResults", about)
            items = sorted({item for result in recent.results for item in result.items})
            lines = [{"line_id": item, "codes": [{"system": "catalogue", "code": item}]} for item in items[:64]]
            check = {**about, "check_key": str(uuid.uuid4()), "lines": lines}
            answer = node.call("concord.v1.Orders", "Check", check) if lines else None
            if answer and any(line.prompts for line in answer.lines):
                return node, check, answer
    raise AssertionError("no patient of the demo has a result that is prompted anywhere")


def check_order(demo):
    """One order: prompted, prompted the same again, accepted once, its original fetched whole and from the middle."""
    node, check, answer = prompts_anywhere(demo)
    same(node.call("concord.v1.Orders", "Check", check), answer, "the same check gives the same prompts")
    prompt = next(prompt for line in answer.lines for prompt in line.prompts)
    assert prompt.evidence.qualification_id and prompt.evidence.policy_version, "a prompt without evidence"
    assert prompt.evidence.age_ms <= prompt.evidence.window_hours * 3_600_000, "a prompt outside its window"
    prompt_id = base64.b64encode(prompt.prompt_id).decode()
    decision = {"prompt_id": prompt_id, "accept": {}}
    decide = {"decision_key": str(uuid.uuid4()), "actor": ACTOR, "decisions": [decision]}
    first, again = (node.call("concord.v1.Orders", "Decide", decide) for _ in range(2))
    same(again.log_index, first.log_index, "the same decision is recorded once")
    unknown = {**decide, "decision_key": str(uuid.uuid4())}
    unknown["decisions"] = [{**decision, "prompt_id": base64.b64encode(bytes(16)).decode()}]
    same(code_of(lambda: node.call("concord.v1.Orders", "Decide", unknown)), StatusCode.NOT_FOUND,
         "a prompt that never was cannot be accepted")  # fmt: skip
    outcome = first.outcomes[0]
    check_originals(node, outcome.grant.token, outcome.result.originals)


def check_originals(node, token, originals):
    """Fetches every original with the grant, whole and from the middle on."""
    assert originals, "an accepted result without originals"
    for original in originals:
        fetch = {"grant": token, "digest": base64.b64encode(original.digest).decode()}
        whole = b"".join(chunk.data for chunk in node.call("concord.v1.Retrieval", "Fetch", fetch))
        same(hashlib.sha256(whole).digest(), original.digest, "the original has the signed digest")
        half = len(whole) // 2
        rest = node.call("concord.v1.Retrieval", "Fetch", {**fetch, "offset": half})
        same(b"".join(chunk.data for chunk in rest), whole[half:], "and is resumed from its middle")
    forged = {"grant": token + "A", "digest": base64.b64encode(originals[0].digest).decode()}
    code = code_of(lambda: node.call("concord.v1.Retrieval", "Fetch", forged))
    assert code in (StatusCode.PERMISSION_DENIED, StatusCode.UNAUTHENTICATED), f"a forged grant was answered {code}"
    print("ok: a forged grant fetches nothing")


def main(demo, work):
    """Runs every check."""
    check_who_may_call(demo, demo.hub, None, work)
    for node in demo.nodes:
        check_who_may_call(demo, node["grpc"], node["org"], work)
    check_hub(demo)
    check_order(demo)


if __name__ == "__main__":
    main(Demo(sys.argv[1]), pathlib.Path(sys.argv[2]))
