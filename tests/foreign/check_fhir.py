"""fhir.resources (R4 models) and fhirclient against the hub's read API: every kind of resource that is served, as
answered to a hospital and to a regulator, is valid R4; what must be refused is refused with an OperationOutcome."""

import base64
import json
import pathlib
import sys
import uuid
from urllib.parse import urlsplit

import requests
from concord_client import Client
from demo import Demo, same
from fhir.resources import construct_fhir_element
from fhirclient import client as smart
from fhirclient.models.observation import Observation
from pydantic import ValidationError

CORPUS = pathlib.Path(__file__).resolve().parents[3] / "shared" / "corpus" / "visible" / "fhir"
OF_PATIENT = ["Observation", "DiagnosticReport", "ImagingStudy", "DocumentReference", "ServiceRequest", "AuditEvent"]
MUST_BE_SEEN = {*OF_PATIENT, "Patient", "Organization", "Basic", "Provenance", "Consent", "Bundle",
                "CapabilityStatement", "OperationOutcome"}  # fmt: skip


class Api:
    """The read API as one client sees it; every answer is validated."""

    seen = set()

    def __init__(self, demo, role, organisation=None):
        described = next(one for one in demo.content["clients"]
                         if one["role"] == role and organisation in (None, one["org"]))  # fmt: skip
        self.organisation = described["org"]
        self.base = demo.content["hub"]["https"].rstrip("/") + "/fhir/r4"
        self.session = requests.Session()
        self.session.trust_env = False  # neither a proxy nor another authority
        self.session.cert = tuple(str(demo.folder / described[name]) for name in ("cert", "key"))
        self.session.verify = str(demo.folder / demo.content["ca"])

    def ask(self, path, status=200, method="GET", **options):
        """Sends a request, and gives its answer after validating it."""
        url = path if path.startswith("https://") else f"{self.base}/{path}"
        answer = self.session.request(method, url, timeout=20, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        same(answer.headers["content-type"], "application/fhir+json", f"{method} {kind_of(path)} {status} is FHIR JSON")
        body = json.loads(answer.text)
        valid(body)
        for resource in [body, *(entry["resource"] for entry in body.get("entry", []))]:
            self.seen.add(resource["resourceType"])
        return answer, body

    def all(self, path):
        """Gives the matches of all pages of a search."""
        found, pages = [], 0
        while path:
            _, bundle = self.ask(path)
            found += [one["resource"] for one in bundle.get("entry", []) if one["search"]["mode"] == "match"]
            path = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
            pages += 1
            assert pages < 1000, "the pages do not end"
        return found


def kind_of(path):
    """Gives the kind of resource that a path is about, for messages."""
    return urlsplit(path).path.rsplit("/r4/", 1)[-1].split("/")[0]


def valid(resource):
    """Validates a resource and all that it holds against the models of R4."""
    construct_fhir_element(resource["resourceType"], json.dumps(resource))
    empty(resource, resource["resourceType"])


def empty(value, path):
    """Finds what FHIR forbids and models overlook: null, and empty texts, arrays and objects."""
    assert value is not None and value != "" and value != [] and value != {}, f"{path} is empty"
    if isinstance(value, dict):
        for name, inner in value.items():
            empty(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            empty(inner, f"{path}[]")


def check_the_validator():
    """HL7's own examples pass, and broken ones do not."""
    good = {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "K"}}
    valid(good)
    broken = [{**good, "status": None}, {**good, "colour": "red"}, {**good, "valueQuantity": {"value": "much"}},
              {**good, "valueString": "a", "valueInteger": 1}, {"resourceType": "Observation", "status": "final"},
              {**good, "effectiveDateTime": "yesterday"}]  # fmt: skip
    for resource in broken:
        try:
            valid(resource)
        except (ValidationError, AssertionError):
            continue
        raise AssertionError(f"the validator takes {resource}")
    print(f"ok: {len(broken)} broken resources are refused by the validator")
    if not CORPUS.is_dir():
        print("skipped: the examples of HL7 are not beside the package")
        return
    examples = sorted(path for path in CORPUS.glob("*.json") if not path.name.startswith("v2pair"))
    for path in examples:
        construct_fhir_element(json.loads(path.read_text())["resourceType"], path.read_text())
    print(f"ok: {len(examples)} examples of HL7 are taken by the validator")


def pseudonyms(api, demo):
    """Finds the demo's patients by identifier; the numbers stand in bodies alone."""
    found = []
    for patient in demo.patients:
        for identifier in patient["identifiers"]:
            token = f"urn:concord:identifier:{identifier['type']}|{identifier['value']}"
            _, bundle = api.ask("Patient/_search", method="POST", data={"identifier": token})
            assert identifier["value"] not in json.dumps(bundle), "an answer repeats the number"
            found += [one["resource"]["id"] for one in bundle.get("entry", [])]
    assert found, "no patient of the demo is found"
    return sorted(set(found))


def check_results(api, patient):
    """Everything that a hospital may see of a patient, searched, paged and read again."""
    for kind in OF_PATIENT:
        resources = api.all(f"{kind}?patient={patient}&_count=3")
        whole = api.all(f"{kind}?patient=Patient/{patient}&_count=200")
        if kind != "AuditEvent":  # each search adds one
            same([one["id"] for one in resources], [one["id"] for one in whole], f"{kind}: pages give what one page gives")
        for resource in resources[:3]:
            _, again = api.ask(f"{kind}/{resource['id']}")
            again.get("meta", {}).pop("lastUpdated", None)
            same(again, resource, f"{kind}: read gives what search gives")
    for observation in api.all(f"Observation?patient={patient}")[:3]:
        check_versions(api, observation)
    both = "_include=DiagnosticReport:result&_include=DiagnosticReport:patient&_revinclude=Provenance:target"
    api.ask(f"DiagnosticReport?patient={patient}&{both}")
    api.all(f"Basic?code=mutual-recognition-decision&patient={patient}")
    api.all(f"Consent?patient={patient}")
    api.ask(f"Patient/{patient}")


def check_versions(api, observation):
    """The version is read again by its number, and by its tag not at all."""
    path = f"Observation/{observation['id']}"
    answer, _ = api.ask(path)
    version = observation["meta"]["versionId"]
    same(answer.headers["etag"], f'W/"{version}"', "the tag is the version")
    api.ask(f"{path}/_history/{version}")
    known = api.session.get(f"{api.base}/{path}", headers={"If-None-Match": answer.headers["etag"]}, timeout=20)
    same((known.status_code, known.content), (304, b""), "a version that is known is not sent again")


def check_refusals(api, regulator, patient):
    """What is wrong, missing or not allowed is an OperationOutcome with a status of its own."""
    strict = {"Prefer": "handling=strict"}
    table = [
        (api, "Observation", 400, {}),
        (api, f"Observation?patient={patient}&colour=red", 400, strict),
        (api, f"Observation?patient={patient}&date=soon", 400, {}),
        (api, "Patient?identifier=CN-ID|1", 400, {}),
        (api, "Observation/unknown", 404, {}),
        (api, "Nothing/unknown", 404, {}),
        (api, "Organization", 406, {"Accept": "application/fhir+xml"}),
        (regulator, f"Observation?patient={patient}", 403, {}),
        (regulator, f"Patient/{patient}", 403, {}),
    ]
    for who, path, status, headers in table:
        who.ask(path, status=status, headers=headers)
    api.ask("Observation/x", status=405, method="DELETE")
    lenient = api.ask(f"Observation?patient={patient}&colour=red")[1]
    assert "colour" not in lenient["link"][0]["url"], "what was passed over stands in the self link"
    nobody = requests.Session()
    nobody.trust_env, nobody.verify = False, api.session.verify
    stranger = nobody.get(f"{api.base}/Organization", timeout=20)
    same(stranger.status_code, 401, "nobody is answered without a certificate or token")


def check_overseer(regulator, demo, patient):
    """A regulator reads who is who, who is qualified and who looked, and no value."""
    for organisation in regulator.all("Organization?_count=200"):
        regulator.ask(f"Organization/{organisation['id']}")
    standings = [one for node in demo.nodes for one in regulator.all(f"Basic?code=eqa-qualification&subject={node['org']}")]
    assert standings, "nobody is qualified for anything"
    regulator.ask(f"Basic/{standings[0]['id']}")
    events = regulator.all(f"AuditEvent?patient={patient}&_count=50")
    assert any(len(event["agent"]) > 2 for event in events), "no event names user, client and organisation"
    assert all(event["entity"][0]["what"]["reference"] == f"Patient/{patient}" for event in events)


def check_signature(api, patient):
    """The signature of a result is over bytes that stand beside it, of a batch that names its publisher."""
    for observation in api.all(f"Observation?patient={patient}")[:1]:
        provenance = api.all(f"Provenance?target=Observation/{observation['id']}")[0]
        signature = provenance["signature"][0]
        same(len(base64.b64decode(signature["data"])), 64, "the signature is Ed25519's 64 bytes")
        signed = base64.b64decode(signature["extension"][0]["valueBase64Binary"])
        code = signature["who"]["identifier"]["value"].encode()
        assert code in signed, "the signed header does not name the publisher"
        api.ask(f"Provenance/{provenance['id']}")


def check_with_fhirclient(api, patient):
    """Another client finds the same, by models of its own."""
    settings = {"app_id": "foreign", "api_base": api.base}
    connected = smart.FHIRClient(settings=settings)
    connected.server.session.trust_env = False
    connected.server.session.cert, connected.server.session.verify = api.session.cert, api.session.verify
    wanted = {"patient": patient, "_sort": "-date", "_count": "200"}
    found = Observation.where(struct=wanted).perform_resources(connected.server)
    expected = [one["id"] for one in api.all(f"Observation?patient={patient}&_count=200")]
    same([one.id for one in found], expected, "fhirclient finds the same observations")
    if found:
        same(Observation.read(found[0].id, connected.server).id, found[0].id, "and reads one")


def consent(demo, patient, organisation):
    """Lets the patient's entrance record a consent, so that there is one to read."""
    gateway = Client(demo.hub, demo.authority(), demo.client("patient-gateway"))
    terms = {"organisation": organisation, "extent": {"all": True}, "purpose": "CONSENT_PURPOSE_TREATMENT",
             "to": {"unix_ms": "4000000000000", "offset_minutes": 480}}  # fmt: skip
    pseudonym = base64.b64encode(bytes.fromhex(patient)).decode()
    acting = {"patient": {"pseudonym": pseudonym}}
    recent = gateway.call("concord.v1.Consents", "AccessHistory", {"acting": acting, "limit": 1}).accesses
    # A consent lasts at most five years, counted by the hub's own clock.
    terms["to"]["unix_ms"] = str(recent[0].at.unix_ms + 3_600_000)
    request = {"consent_key": str(uuid.uuid4()), "acting": acting, "terms": terms}
    gateway.call("concord.v1.Consents", "Grant", request)


def main(demo):
    """Runs every check."""
    check_the_validator()
    hospitals = [Api(demo, "hospital", node["org"]) for node in demo.nodes]
    regulator = Api(demo, "regulator")
    regulator.ask("metadata")
    patients = pseudonyms(hospitals[0], demo)
    for patient in patients:
        hospitals[0].ask(f"Observation?patient={patient}")
        consent(demo, patient, hospitals[0].organisation)
    for api in hospitals:
        for patient in patients:
            check_results(api, patient)
    for patient in patients:
        check_signature(hospitals[0], patient)
        check_with_fhirclient(hospitals[0], patient)
        check_overseer(regulator, demo, patient)
    check_refusals(hospitals[0], regulator, patients[0])
    same(MUST_BE_SEEN - Api.seen, set(), "every kind of resource was served and validated")


if __name__ == "__main__":
    main(Demo(sys.argv[1]))
