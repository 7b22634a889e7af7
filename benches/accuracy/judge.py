"""The label of a case, from the law's and the region's text alone: rules A1 to A10 of docs/accuracy.md.

This file knows nothing of the product's rule and shares no code with it. Where it and the product differ, one is wrong.
"""

import re
from datetime import datetime
from decimal import Decimal, InvalidOperation
from itertools import product

DAY_MS = 86_400_000
HOUR_MS = 3_600_000

ORDER_WIDE = [
    ("emergency", "A8: emergency care is a ground to test again (2022 rules, ground 4)"),
    ("preoperative", "A8: before an operation a test is done again (2022 rules, ground 3)"),
    ("transfusion", "A8: before a transfusion a test is done again (2022 rules, ground 3)"),
    ("forensic", "A8: legal and disability opinions are a ground to test again (2022 rules, ground 5)"),
    ("serial", "A8: a planned series is continuous monitoring, no repetition (reason I99)"),
    ("neonate", "A8: newborns do not prompt (policy.toml, visits.neonate_prompts)"),
]


def instant(text):
    """Milliseconds since 1970 and whether only the day is known; a day stands for its first instant."""
    day = re.fullmatch(r"(\d{4}-\d\d-\d\d)([+-]\d\d:\d\d)", text)
    moment = datetime.fromisoformat(day[1] + "T00:00:00" + day[2] if day else text)
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * 1000 + moment.microsecond // 1000, bool(day)


def span(text):
    """First and last millisecond that a time may mean."""
    first, day_only = instant(text)
    return first, first + DAY_MS - 1 if day_only else first


def label(case, region):
    """Coverage, prompts, legal candidates, items that remain, and why."""
    wishes = wishes_of(case, region)
    items = list(dict.fromkeys(wish["item"] for wish in wishes))
    refused = order_refusal(case, region)
    prompts, legal, reasons, whole = {}, {}, [], set()
    for wish in wishes:
        found = []
        for candidate in case["candidates"]:
            answered = answers(candidate, wish, region)
            if not answered:
                continue
            objection = refused or next(iter(objections(case, candidate, wish, region)), None)
            if objection:
                reasons.append(f"{candidate['id']} {wish['item']}: {objection}")
                continue
            legal.setdefault(candidate["id"], []).append(wish["item"])
            found.append((instant(latest(candidate)["collected"])[0], candidate["id"], answered))
        left, several = cells(wish, region), len(found) > 1
        while best := max(found, key=lambda one: (len(one[2] & left), one[0]), default=None):
            newly = best[2] & left
            if not newly:
                break
            found.remove(best)
            left = left - newly
            prompts.setdefault(best[1], []).append(wish["item"])
            degree = "answers a part" if left else "answers all that is left"
            others = ", the best of several (A10)" if several else ""
            reasons.append(f"{best[1]} {wish['item']}: {degree}, qualified, in scope and in time (A1 to A9){others}")
        if not left:
            whole.add(wish["item"])
    remaining = [item for item in items if item not in whole]
    coverage = "none" if not prompts else "partial" if remaining else "full"
    because = "; ".join(reasons) or refused or "no result has anything to do with the order (A2)"
    return {
        "coverage": coverage,
        "prompts": pairs(prompts),
        "legal": pairs(legal),
        "remaining": sorted(remaining),
        "because": because,
    }


def pairs(found):
    """Results with the items that they answer, in an order that does not depend on chance."""
    return [{"candidate": name, "items": sorted(found[name])} for name in sorted(found)]


def wishes_of(case, region):
    """What the order asks for, item by item; images with side, views and contrast."""
    order = case["order"]
    if "imaging" in order:
        return [dict(wish) for wish in order["imaging"]]
    items = region.panels[order["panel"]]["items"] if "panel" in order else order["items"]
    return [{"item": item, **shape(region.items[item])} for item in items]


def shape(item):
    """What images of a catalogue item must show."""
    if item["laboratory"]:
        return {}
    return {"body_part": item["part"], "side": "unpaired", "views": item["views"], "contrast": item["contrast"]}


def order_refusal(case, region):
    """Why nothing of this order may prompt, if so."""
    visit, order = case["visit"], case["order"]
    if "panel" in order and region.panels[order["panel"]]["purpose"] == "major-measure":
        return "A8: the panel belongs to a major measure (2022 rules, ground 3)"
    for flag, sentence in ORDER_WIDE:
        if visit.get(flag) or visit["setting"] == flag:
            return sentence
    return None


def latest(candidate):
    """The version that counts: the greatest number, in whatever order they came."""
    return max(candidate["versions"], key=lambda version: version["version"])


def cells(wish, region):
    """All that is wanted of an item: one thing of a laboratory; of images each piece, side, view and phase (A2)."""
    if region.items[wish["item"]]["laboratory"]:
        return {"value"}
    pieces, views = region.pieces(wish["body_part"]), wish["views"] or [""]
    return set(product(pieces, sides(wish["side"]), views, phases(wish["contrast"])))


def answers(candidate, wish, region):
    """What of the wish the result answers, all other rules aside (A2)."""
    version, item = latest(candidate), region.items[wish["item"]]
    wanted = cells(wish, region)
    if item["laboratory"]:
        return wanted if wish["item"] in version["items"] else set()
    made = [shown for shown in version.get("coverage", []) if shown["modality"] in item["modalities"]]
    return {cell for cell in wanted if any(shows(shown, cell, region) for shown in made)}


def shows(shown, cell, region):
    """Whether one body part of a study shows a piece from a side, in a view and a phase."""
    piece, side, view, phase = cell
    return (
        region.contains(shown["body_part"], piece)
        and (side in sides(shown["side"]) if side else shown["side"] not in ("left", "right"))
        and (not view or view in shown["views"])
        and (not phase or phase in phases(shown["contrast"]))
    )


def sides(side):
    return {"both": ["left", "right"], "left": ["left"], "right": ["right"]}.get(side, [""])


def phases(contrast):
    known = {"plain": ["plain"], "enhanced": ["enhanced"], "plain-and-enhanced": ["plain", "enhanced"]}
    return known.get(contrast, [""])


def objections(case, candidate, wish, region):
    """Every rule that stands against a result that answers the wish."""
    version, item, visit = latest(candidate), region.items[wish["item"]], case["visit"]
    yield from identity(candidate, version)
    if candidate["publisher"] == visit["hospital"]:
        yield "A9: it is the hospital's own result (policy.toml, visits.own_results_prompt)"
    yield from negative(version, item, visit, region)
    yield from comparable(version, item, visit, region)
    first, last = span(version["collected"])
    at = instant(case["at"])[0]
    if first > at:
        yield "A6: it was collected after the order, and is no existing result"
    window = item["window"].get(visit["setting"], item["window"]["inpatient"])
    if first <= at and (not window or at - first > window * HOUR_MS):
        yield f"A6: older than the {window} h of the item's reference window (2024 guidance)"
    if visit.get("treated_at") and first < instant(visit["treated_at"])[0]:
        yield "A8: collected before the treatment that changes results"
    yield from unqualified(case, candidate, version, wish, region, (first, last), at)


def identity(candidate, version):
    if candidate["patient"] != "same":
        yield "A1: another patient's result"
    if candidate["link"] != "strong":
        yield "A1: the link to the patient is disputed"
    if candidate["key"] != "valid":
        yield "A1: the signing key is not valid"
    if version["status"] not in ("final", "corrected"):
        yield f"A1: the latest version is {version['status']}"


def negative(version, item, visit, region):
    if item["never"]:
        yield "A7: an item that never prompts (catalogue.csv, never_prompt)"
    if item["sensitive"] or version["sensitivity"] != "normal":
        yield "A7: sensitive, and no grant of the patient"
    if visit.get("pregnant") and item["item"] in region.policy["visits"]["never_in_pregnancy"]:
        yield "A7: never prompts in pregnancy (policy.toml, visits.never_in_pregnancy)"


def comparable(version, item, visit, region):
    if not item["laboratory"]:
        limit = item["thickness_max"]
        if limit is not None and not any(Decimal(mm) <= limit for mm in version["slice_thickness_mm"]):
            yield "A3: slices thicker than the item takes"
        return
    if version["specimen"] not in item["specimens"]:
        yield "A3: another specimen than the item's"
    if item["value"] == "quantity":
        if not number(version["value"]):
            yield "A3: no number where the item is one"
        elif not region.comparable_unit(item, version["unit"]):
            yield "A3: no rule brings the unit to the item's"
    if item["same_group"]:
        ours, theirs = visit["methods"].get(item["item"], ""), version["method"]
        if not ours or ours != theirs:
            yield "A3: compares inside one method group only, and the groups differ or are not known"


def number(text):
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def unqualified(case, candidate, version, wish, region, collected, at):
    """Why no QC centre's word carries the result to this hospital; nothing where one does (A4, A5)."""
    laboratory, item = candidate["laboratory"], wish["item"]
    modalities = {shown["modality"] for shown in version.get("coverage", [])}
    subjects = {item, ""} | modalities
    suspended = sanctioned(case["quality"], laboratory, subjects, collected, at)
    if suspended:
        yield suspended
        return
    why = "A4: the laboratory has no qualification for the item (2022 rules, art. 12: not evaluated, not marked)"
    carried = False
    for issuer in case["issuers"]:
        said = Said(case["quality"], laboratory, issuer["code"], subjects, at)
        failed, lacking = rounds_stand(said, item, version.get("method", ""), collected, region)
        if failed:
            yield failed
            return
        if lacking is not None and said.credentials:
            lacking = None if said.covered(collected) else "A4: the credential did not cover the day of acquisition"
        if lacking is None and not inside(case["visit"]["region"], issuer, region):
            lacking = f"A5: {case['visit']['region']} lies outside of the mark's scope (2022 rules, art. 12)"
        carried = carried or lacking is None
        why = lacking or why
    if not carried:
        yield why


class Said:
    """What one centre had said of a laboratory when the order was written."""

    def __init__(self, quality, laboratory, issuer, subjects, at):
        def ours(kind):
            mine = [one for one in quality[kind] if one["laboratory"] == laboratory and one["issuer"] == issuer]
            return [one for one in mine if instant(one.get("issued") or one["published"])[0] <= at]
        self.rounds = ours("rounds")
        self.credentials = [one for one in ours("credentials") if one["subject"] in subjects]
        restored = [one for one in ours("restorations") if one["subject"] in subjects]
        self.restored = [instant(one["effective"])[0] for one in restored]

    def covered(self, collected):
        spans = [(span(one["valid_from"])[0], span(one["valid_to"])[1]) for one in self.credentials]
        return any(first <= collected[0] and collected[1] <= last for first, last in spans)


def rounds_stand(said, item, method, collected, region):
    """The EQA rounds' word (A4): what speaks against the laboratory, else what is lacking; else None and None."""
    policy = region.policy["qualification"]
    pass_score = 100 if item in policy["full_score_items"] else policy["pass_score_percent"]
    known = []
    for one in said.rounds:
        if one["item"] == item and one["method"] in ("", method) and one["status"] in ("scored", "not-reported"):
            passed = one["status"] == "scored" and Decimal(one["score"]) >= pass_score
            known.append((instant(one["sampled"])[0], instant(one["published"])[0], passed))
    known.sort()
    for sampled, published, passed in known:
        if not passed and sampled <= collected[1] and collected[0] < published:
            return "A4: collected between a failed round's samples and its publication, in doubt", None
    before = [one for one in known if one[1] <= collected[0]]
    if not before:
        return None, "A4: no round had been published when it was collected" if known else ""
    looked_at = before[-policy["rounds_looked_at"]:]
    failures = [published for _, published, passed in looked_at if not passed]
    withdrawn = len(failures) >= policy["failures_withdrawing"]
    if (withdrawn or not before[-1][2]) and not any(failures[-1] <= again <= collected[0] for again in said.restored):
        if withdrawn:
            return "A4: withdrawn, two of the latest three rounds failed", None
        return "A4: collected while suspended after a failed round", None
    held_days = policy["round_interval_days"] + policy["grace_days"]
    if collected[1] > before[-1][1] + held_days * DAY_MS:
        return None, "A4: the qualification had expired, grace and all, when it was collected"
    return None, None


def sanctioned(quality, laboratory, subjects, collected, at):
    """A suspension with effect at collection that the centre did not take back afterwards (A4); None without one."""
    def known(kind):
        ours = [one for one in quality[kind] if one["laboratory"] == laboratory and one["subject"] in subjects]
        words = [(one["issuer"], instant(one["issued"])[0], instant(one["effective"])[0]) for one in ours]
        return [word for word in words if word[1] <= at]
    restored = known("restorations")
    for issuer, said, effective in known("suspensions"):
        taken_back = [
            again for centre, later, again in restored if centre == issuer and later >= said and again <= collected[0]
        ]
        if effective <= collected[1] and not taken_back:
            return "A4: collected while the laboratory was suspended"
    return None


def inside(adcode, issuer, region):
    """Whether a division lies in the issuer's scope (A5): national, agreement, province, city, district."""
    scope = issuer["scope"]
    if scope == "national":
        return True
    agreement = region.policy["agreements"].get(scope)
    areas = agreement["regions"] if agreement else [scope]
    return any(within(adcode, area) for area in areas)


def within(adcode, area):
    """GB/T 2260: two digits a province, two a city, two a district."""
    if area.endswith("0000"):
        return adcode[:2] == area[:2]
    if area.endswith("00"):
        return adcode[:4] == area[:4]
    return adcode == area
