"""The hl7 package's own mllp_send against the MLLP port of every node."""

import pathlib
import subprocess
import sys

import hl7
from demo import Demo, same

SENT_AT = "20261120103000+0800"


def report(control_id, patient, name, value):
    """Gives an ORU^R01 with one potassium result of an invented patient."""
    identifiers = "~".join(f"{id['value']}^^^{id.get('authority', '')}^{id['type']}" for id in patient["identifiers"])
    birth = patient.get("birth_date", "").replace("-", "")
    sex = {"SEX_MALE": "M", "SEX_FEMALE": "F"}.get(patient.get("sex"), "")
    return "\r".join(
        [
            f"MSH|^~\\&|LIS|LAB|CONCORD|NODE|{SENT_AT}||ORU^R01^ORU_R01|{control_id}|P|2.5.1||||||UNICODE UTF-8",
            f"PID|1||{identifiers}||{name}||{birth}|{sex}",
            f"ORC|RE|{control_id}",
            f"OBR|1|{control_id}|{control_id}|K^钾^LIS|||{SENT_AT}|||||||{SENT_AT}|SER^血清|||||||{SENT_AT}|||F",
            f"OBX|1|NM|2823-3^Potassium^LN||{value}|mmol/L|3.5-5.3|N|||F|||{SENT_AT}",
            "",
        ]
    )


def send(node, path, message):
    """Sends a message with mllp_send and gives the acknowledgement."""
    path.write_bytes(b"\x0b" + message + b"\x1c\r")
    host, port = node["mllp"].rsplit(":", 1)
    command = [pathlib.Path(sys.executable).parent / "mllp_send", "--port", port, "--file", path, host]
    output = subprocess.run(command, check=True, capture_output=True, timeout=30).stdout
    return hl7.parse(output.strip(b"\x0b\x1c\r\n").decode("utf-8").replace("\n", "\r"))


def acknowledgement(answer):
    """Gives (MSA-1, MSA-2)."""
    msa = answer.segment("MSA")
    return str(msa[1]), str(msa[2])


def main(demo, work):
    """Sends a good message, the same again, two in other character sets, and two that cannot be taken."""
    for number, node in enumerate(demo.nodes):
        patient, path = demo.patients[0], work / "message.hl7"
        good = report(f"FOREIGN-{number}", patient, "金丝雀^测试", "4.1")
        for again in ("a result is taken", "the same again is harmless"):
            answer = send(node, path, good.encode("utf-8"))
            same(acknowledgement(answer), ("AA", f"FOREIGN-{number}"), f"{node['name']}: {again}")
        chinese = good.replace("UNICODE UTF-8", "GB 18030-2000").replace("FOREIGN", "GB")
        answer = send(node, path, chinese.encode("gb18030"))
        same(acknowledgement(answer), ("AA", f"GB-{number}"), f"{node['name']}: GB 18030 is read")
        foreign = good.replace("ORU^R01^ORU_R01", "ZZZ^Z99").replace("FOREIGN", "ZZZ")
        answer = send(node, path, foreign.encode("utf-8"))
        same(acknowledgement(answer), ("AR", f"ZZZ-{number}"), f"{node['name']}: an unknown message type is rejected")
        assert "金丝雀" not in str(answer), "an acknowledgement names the patient"
        headless = good.split("\r", 1)[1]
        code, _ = acknowledgement(send(node, path, headless.encode("utf-8")))
        assert code in ("AE", "AR"), f"a message without MSH was answered {code}"
        print(f"ok: {node['name']}: a message without MSH is refused")


if __name__ == "__main__":
    main(Demo(sys.argv[1]), pathlib.Path(sys.argv[2]))
