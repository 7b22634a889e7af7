#!/usr/bin/env python3
"""Shows that the cases can fail: changes one rule of judge.py at a time and counts the labels that change with it.

    python3 benches/accuracy/mutants.py

A rule whose loss changes no label would be one that the benchmark does not test; then this ends with 1.
"""

import json
import random
import sys
from pathlib import Path

from generate import CASES, SEED
from pool import Pool
from region import Region
from scenes import SCENES

JUDGED = ("coverage", "prompts", "legal", "remaining")
# What is lost or bent, the text of judge.py, what stands there instead.
MUTANTS = [
    ("A1 other patients", 'candidate["patient"] != "same"', "False"),
    ("A1 disputed links", 'candidate["link"] != "strong"', "False"),
    ("A1 keys", 'candidate["key"] != "valid"', "False"),
    ("A1 status", 'version["status"] not in ("final", "corrected")', "False"),
    ("A1 first version counts", 'max(candidate["versions"]', 'min(candidate["versions"]'),
    ("A2 whole and part", 'region.contains(shown["body_part"], piece)', 'shown["body_part"] == piece'),
    ("A2 sides", 'side in sides(shown["side"]) if side', "True if side"),
    ("A2 views", 'view in shown["views"]', "True"),
    ("A2 contrast", 'phase in phases(shown["contrast"])', "True"),
    ("A2 modality", 'shown["modality"] in item["modalities"]', "True"),
    ("A3 specimens", 'version["specimen"] not in item["specimens"]', "False"),
    ("A3 units", 'not region.comparable_unit(item, version["unit"])', "False"),
    ("A3 numbers", 'not number(version["value"])', "False"),
    ("A3 method groups", "not ours or ours != theirs", "False"),
    ("A3 unknown method groups", "not ours or ours != theirs", "ours and ours != theirs"),
    ("A4 rounds of other methods", 'one["method"] in ("", method)', "True"),
    ("A4 rounds not reported", 'one["status"] in ("scored", "not-reported")', 'one["status"] == "scored"'),
    ("A4 pass score", 'policy["pass_score_percent"]', "79"),
    ("A4 doubt", "not passed and sampled <= collected[1] and collected[0] < published", "False"),
    ("A4 doubt begins late", "sampled <= collected[1] and", "sampled < collected[1] and"),
    ("A4 last round", "(withdrawn or not before[-1][2])", "withdrawn"),
    ("A4 two of three", "(withdrawn or not before[-1][2])", "not before[-1][2]"),
    ("A4 corrective action", "failures[-1] <= again <= collected[0]", "False"),
    ("A4 grace", 'policy["round_interval_days"] + policy["grace_days"]', 'policy["round_interval_days"]'),
    ("A4 expiry", "collected[1] > before[-1][1] + held_days * DAY_MS", "False"),
    ("A4 publication", "if one[1] <= collected[0]", "if one[0] <= collected[0]"),
    ("A4 what was not known yet", "[0] <= at]\n        self.rounds", "[0] <= at + 9e12]\n        self.rounds"),
    ("A4 another centre's failure", "yield failed\n            return", "continue"),
    ("A4 suspensions", "if suspended:", "if False:"),
    ("A4 restorations", "effective <= collected[1] and not taken_back", "effective <= collected[1]"),
    ("A4 suspensions said later", "if word[1] <= at", "if word[1] <= word[2]"),
    ("A4 credential's last instant", "collected[1] <= last", "collected[1] < last"),
    ("A4 publisher's, not the maker's", 'candidate["laboratory"], wish["item"]', 'candidate["publisher"], wish["item"]'),
    ("A5 scope", 'lacking is None and not inside(case["visit"]["region"], issuer, region)', "False"),
    ("A5 districts of a city", 'adcode[:4] == area[:4]', "adcode == area"),
    ("A5 agreements", 'agreement["regions"] if agreement', "[] if agreement"),
    ("A6 boundary", "at - first > window * HOUR_MS", "at - first >= window * HOUR_MS"),
    ("A6 one millisecond", "at - first > window * HOUR_MS", "at - first > window * HOUR_MS + 1"),
    ("A6 offsets", "else text)", 'else text[:23] + "+08:00")'),
    ("A6 a day's end", "first, last = span(version[\"collected\"])\n", "last, first = span(version[\"collected\"])\n"),
    ("A6 results to come", "if first > at:", "if False:"),
    ("A7 sensitive items", 'item["sensitive"] or', ""),
    ("A7 sensitive results", 'or version["sensitivity"] != "normal"', ""),
    ("A7 pregnancy", 'visit.get("pregnant") and', "False and"),
    ("A8 major panels", '== "major-measure"', '== "none"'),
    *[(f"A8 {flag}", f'    ("{flag}",', '    ("nothing",') for flag in
      ("emergency", "preoperative", "transfusion", "forensic", "serial", "neonate")],
    ("A8 treatment", 'visit.get("treated_at") and', "False and"),
    ("A9 own results", 'candidate["publisher"] == visit["hospital"]', "False"),
    ("A10 oldest wins", "found.append((instant(", "found.append((-instant("),
    ("A10 halves together", "left = left - newly", "left = left - newly if not left - newly else set()"),
]


def judged_by(source):
    judge = {"__name__": "judge"}
    exec(compile(source, "judge.py", "exec"), judge)
    return judge["label"]


def main():
    source = (Path(__file__).parent / "judge.py").read_text(encoding="utf-8")
    region = Region()
    pool = Pool(region)
    deck = [(category, scene) for category, scene, weight in SCENES for _ in range(weight)]
    cases = []
    for number in range(CASES):
        category, scene = deck[number % len(deck)]
        cases.append(scene(random.Random(f"{SEED}/{number}"), pool)[0].case(str(number), category))
    label = judged_by(source)
    labels = [[label(case, region)[name] for name in JUDGED] for case in cases]
    untested = 0
    for lost, there, instead in MUTANTS:
        if source.count(there) != 1:
            sys.exit(f"{lost}: stands {source.count(there)} times in judge.py")
        bent = judged_by(source.replace(there, instead))
        changed = sum([bent(case, region)[name] for name in JUDGED] != kept for case, kept in zip(cases, labels))
        untested += not changed
        print(f"{lost:<40}{changed:>6}")
    print(json.dumps({"mutants": len(MUTANTS), "untested": untested}))
    sys.exit(bool(untested))


if __name__ == "__main__":
    main()
