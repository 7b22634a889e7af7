"""The scenes of the benchmark: each builds one case of its category and says what it means to show.

A scene returns its world and the coverage that it intends; `None` leaves the label to judge.py alone. generate.py stops
where a scene's intention and judge.py disagree, so every label is thought twice.
"""

from image_scenes import competing_images, containment, halves, many_parts, mixed_images, modalities
from pool import NEIGHBOURS, Pool, ask, fresh, move_hospital, single
from quality_scenes import (
    centres_differ, credentials, doubt, expiry, failed_rounds, method_rounds, published_edge, suspensions, two_of_three,
)
from world import DAY, HOUR, PLACES, World, day_start, written_day


def plain(rng, pool):
    world, item, given, window = single(rng, pool)
    world.result(item, fresh(world, window), **given)
    return world, "full"


def windows(rng, pool):
    world, item, given, window = single(rng, pool)
    beyond = rng.choice([-1, 0, 1, 0, -rng.randrange(2, HOUR), rng.randrange(2, HOUR), rng.randrange(HOUR, 400 * HOUR)])
    world.result(item, world.at - window - beyond, **given)
    return world, "none" if beyond > 0 else "full"


def no_window(rng, pool):
    setting = rng.choice(["outpatient", "inpatient"])
    closed = [item for item in pool.lab + pool.image if not pool.window(item, setting)]
    if not closed:
        setting = "inpatient"
        closed = [item for item in pool.lab + pool.image if not pool.window(item, setting)]
    world = World(rng, pool.region, setting)
    item = rng.choice(closed)
    world.result(item, world.at - rng.randrange(1, HOUR), **ask(world, item))
    return world, "none"


def offsets(rng, pool):
    world, item, given, window = single(rng, pool)
    beyond = rng.choice([-1, 1]) * rng.randrange(1, min(14 * HOUR, window))
    offset = rng.choice([0, -300, 330, 540, 480, -720, 840, 345])
    if rng.random() < 0.1:
        world.result(item, world.at + rng.randrange(1, 8 * HOUR), offset=offset, **given)
        return world, "none"
    world.result(item, world.at - window - beyond, offset=offset, **given)
    return world, "none" if beyond > 0 else "full"


def date_only(rng, pool):
    world, item, given, window = single(rng, pool, hours_min=48)
    offset = rng.choice([480, 480, 0, 360, -300])
    shape = rng.choice(["in", "in", "edge", "past", "today", "treated"])
    start = day_start(world.at - rng.randrange(DAY, window), offset)
    if shape == "edge":
        world.at = start + window
    elif shape == "past":
        world.at = start + window + rng.randrange(1, DAY)
    elif shape == "today":
        start = day_start(world.at, offset)
    elif shape == "treated":
        world.visit["treated_at"] = world.when(start + rng.randrange(1, DAY))
    if shape == "in":
        world.at = start + rng.randrange(DAY, window)
    if shape == "treated":
        world.at = max(world.at, start + 2 * DAY)
    world.result(item, start, collected_text=written_day(start, offset), **given)
    return world, "none" if shape in ("past", "treated") else "full"


def day_of_change(rng, pool):
    """A day on which the laboratory's standing changes: it must have been qualified all that day."""
    world, item, _, window = single(rng, pool, pool.lab, hours_min=720)
    start = day_start(world.at - rng.randrange(4 * DAY, 28 * DAY), 480)
    inside, outside = start + rng.randrange(1, DAY), rng.choice([start - rng.randrange(1, DAY), start + DAY])
    shape = rng.choice(["failed", "suspended", "passed", "expired"])
    stays = rng.random() < 0.5
    change = outside if stays else inside
    world.result(item, start, collected_text=written_day(start, 480), qualified=False)
    put = lambda sampled, published, **given: world.round(world.publisher, item, sampled, published, **given)
    policy = pool.region.policy["qualification"]
    held = (policy["round_interval_days"] + policy["grace_days"]) * DAY
    if shape == "expired":
        put(change - held - 30 * DAY, change - held)
    elif shape == "passed":
        put(change - 30 * DAY, change)
    else:
        put(start - 90 * DAY, start - 60 * DAY)
    if shape == "failed":
        put(change, start + 3 * DAY, score="40")
    elif shape == "suspended":
        world.sanction("suspend", world.publisher, item, change, change)
    before = change < start
    holds = stays and (before == (shape == "passed"))
    return world, "full" if holds else "none"


def panels(rng, pool):
    world = World(rng, pool.region)
    name = rng.choice(pool.panels)
    items = pool.region.panels[name]["items"]
    world.order = {"panel": name} if rng.random() < 0.8 else {"items": list(items)}
    world.agree(*items)
    age = int(min(pool.window(item, "outpatient") for item in items) * rng.uniform(0.02, 0.98))
    for item in items:
        world.result(item, world.at - age)
    return world, "full"


def partials(rng, pool):
    world = World(rng, pool.region)
    name = rng.choice(pool.panels)
    items = pool.region.panels[name]["items"]
    world.order = {"panel": name} if rng.random() < 0.8 else {"items": list(items)}
    world.agree(*items)
    age = int(min(pool.window(item, "outpatient") for item in items) * rng.uniform(0.02, 0.98))
    found = rng.sample(items, rng.randrange(1, len(items)))
    second = world.organisation(rng.choice(PLACES[world.province]))
    for item in found:
        world.result(item, world.at - age, publisher=rng.choice([world.publisher, second]))
    return world, "partial"


def panel_ages(rng, pool):
    """Windows differ inside one panel: what is old for one item is not for another."""
    setting = rng.choice(["outpatient", "inpatient"])
    world = World(rng, pool.region, setting)
    name = rng.choice(pool.panels)
    items = pool.region.panels[name]["items"]
    world.order = {"panel": name}
    world.agree(*items)
    age = rng.choice([pool.window(item, setting) for item in items]) + rng.choice([-1, 0, 1, HOUR, -HOUR])
    for item in items:
        world.result(item, world.at - max(age, 1))
    return world, None


def scopes(rng, pool):
    """National, agreement, province, city, district; inside, beside, and a name that merely begins alike."""
    kind = rng.choice(["national", "agreement", "province", "city", "district"])
    world, item, given, window = single(rng, pool)
    home = world.places[world.publisher][0]
    province = home[:2] + "0000"
    agreements = pool.region.policy["agreements"]
    signed = [name for name, one in agreements.items() if province in one["regions"]]
    if kind == "agreement" and not signed:
        kind = "province"
    scope = {"national": "national", "province": province, "city": home[:4] + "00", "district": home}.get(kind)
    scope = scope or rng.choice(signed)
    other = NEIGHBOURS[world.province]
    where = rng.choice([home, rng.choice(PLACES[world.province]), home[:4] + "00", province, rng.choice(PLACES[other])])
    if kind == "agreement" and rng.random() < 0.5:
        where = rng.choice(agreements[scope]["regions"])[:2] + "0101"
    move_hospital(world, where)
    world.issuers.clear()
    world.issuer = world.centre(scope)
    inside = {
        "national": True,
        "province": where[:2] == home[:2],
        "city": where[:4] == home[:4],
        "district": where == home,
    }.get(kind)
    if inside is None:
        inside = where[:2] + "0000" in agreements[scope]["regions"]
    world.result(item, fresh(world, window), **given)
    return world, "full" if inside else "none"


def two_centres(rng, pool):
    """A wide mark carries where a narrow one does not."""
    world, item, given, window = single(rng, pool)
    home = world.places[world.publisher][0]
    away = [place for place in PLACES[world.province] if place[:4] != home[:4]] or [home]
    move_hospital(world, rng.choice(away))
    world.issuers.clear()
    world.issuer = world.centre(home)
    wide = world.centre(rng.choice([home[:2] + "0000", "national"]))
    candidate = world.result(item, fresh(world, window), **given)
    carried = rng.random() < 0.6
    if carried:
        world.qualify(candidate["laboratory"], item, issuer=wide)
    same = world.places[world.hospital][0] == home
    return world, "full" if carried or same else "none"


def specimens(rng, pool):
    world, item, _, window = single(rng, pool, pool.lab)
    right = rng.random() < 0.4
    row = pool.region.items[item]
    codes = ["UR", "BLDA", "PLAS.CIT", "CSF", "SER", "BLD.EDTA", "STL", ""]
    wrong = [code for code in codes if code not in row["specimens"]]
    world.result(item, fresh(world, window), specimen=rng.choice(row["specimens"] if right else wrong))
    return world, "full" if right else "none"


def units(rng, pool):
    """What a rule converts, and what none does: mass and substance, charges, FEU and DDU, no unit, no number."""
    quantities = [item for item in pool.lab if pool.region.items[item]["value"] == "quantity"]
    world, item, _, window = single(rng, pool, quantities)
    row = pool.region.items[item]
    written = rng.choice(sorted(pool.region.units) + ["", "mg/dl ?", "furlong"])
    near = [unit for unit in pool.region.units if pool.region.comparable_unit(row, unit)]
    shape = rng.choice(["near", "near", "spelled", "any", "any", "text", "bare"])
    if shape == "bare":
        written = ""
    elif shape != "any":
        unit = rng.choice(near)
        written = rng.choice(pool.region.spellings[unit] or [unit]) if shape == "spelled" else unit
    value = rng.choice(["溶血", "见备注", "—"]) if shape == "text" else f"{rng.randrange(1, 9000) / 100}"
    world.result(item, fresh(world, window), value=value, unit=written)
    compares = shape != "text" and pool.region.comparable_unit(row, written)
    return world, "full" if compares else "none"


def methods(rng, pool):
    world, item, _, window = single(rng, pool, pool.grouped)
    shape = rng.choice(["same", "same", "other", "unknown", "ours-unknown"])
    ours = world.visit["methods"][item]
    theirs = {"same": ours, "ours-unknown": ours, "unknown": ""}.get(shape, ours + "X")
    if shape == "other" and rng.random() < 0.5:
        theirs = ours[:-1]
    if shape == "ours-unknown":
        world.visit["methods"] = {}
    world.result(item, fresh(world, window), method=theirs)
    return world, "full" if shape == "same" else "none"


def never(rng, pool):
    world = World(rng, pool.region)
    items = [row for row in pool.region.items.values() if row["never"]]
    row = rng.choice(items)
    world.result(row["item"], world.at - rng.randrange(1, DAY), **ask(world, row["item"]))
    return world, "none"


def flags(rng, pool):
    """What the visit forbids: the six grounds, newborns, pregnancy, treatment in between."""
    world, item, given, window = single(rng, pool)
    shape = rng.choice(["preoperative", "transfusion", "forensic", "serial", "neonate", "pregnant", "emergency"])
    if shape == "emergency":
        world.visit["setting"] = shape
    else:
        world.visit[shape] = True
    if shape == "pregnant" and rng.random() < 0.6:
        item = rng.choice(["L01033", "E01007"])
        given = ask(world, item)
        window = pool.window(item, world.visit["setting"])
    world.result(item, fresh(world, window), **given)
    never_then = pool.region.policy["visits"]["never_in_pregnancy"]
    return world, "full" if shape == "pregnant" and item not in never_then else "none"


def treated(rng, pool):
    world, item, given, window = single(rng, pool)
    collected = fresh(world, window)
    world.result(item, collected, **given)
    before = rng.random() < 0.5
    gap = rng.choice([1, rng.randrange(1, HOUR), rng.randrange(1, max(2, (world.at - collected)))])
    world.visit["treated_at"] = world.when(collected - gap if before else min(collected + gap, world.at))
    return world, "full" if before else "none"


def major_panels(rng, pool):
    world = World(rng, pool.region)
    name = rng.choice(pool.major)
    world.order = {"panel": name}
    for item in pool.region.panels[name]["items"]:
        world.result(item, world.at - rng.randrange(1, 20 * DAY))
    return world, "none"


def wrong_patients(rng, pool):
    world, item, given, window = single(rng, pool)
    wrong = rng.choice([{"patient": "other"}, {"link": "disputed"}, {"key": "invalid"}])
    world.result(item, fresh(world, window), **wrong, **given)
    if rng.random() < 0.4:
        world.result(item, fresh(world, window), **given)
        return world, "full"
    return world, "none"


def versions(rng, pool):
    """The greatest version counts, in whatever order they came."""
    world, item, given, window = single(rng, pool)
    collected = fresh(world, window)
    shapes = ["corrected", "withdrawn", "finalised", "preliminary", "redated", "brought-in", "moved-specimen"]
    shape = rng.choice(shapes)
    candidate = world.result(item, collected, **given)
    first = candidate["versions"][0]
    second = {**first, "version": rng.choice([2, 2, 3, 7]), "status": "corrected"}
    if shape == "withdrawn":
        second["status"] = "withdrawn"
    elif shape == "finalised":
        first["status"], second["status"] = "preliminary", "final"
    elif shape == "preliminary":
        first["status"], second = "preliminary", None
    elif shape == "redated":
        second["collected"] = world.when(world.at - window - rng.randrange(1, 30 * DAY))
    elif shape == "brought-in":
        first["collected"] = world.when(world.at - window - rng.randrange(1, 30 * DAY))
    elif shape == "moved-specimen" and pool.region.items[item]["laboratory"]:
        second["specimen"] = "CSF"
    elif shape == "moved-specimen":
        shape = "corrected"
    candidate["versions"] = [first] + ([second] if second else [])
    rng.shuffle(candidate["versions"])
    return world, "full" if shape in ("corrected", "finalised", "brought-in") else "none"


def own_and_sent(rng, pool):
    """Own results never prompt; for work sent out, the laboratory's qualification counts and not the publisher's."""
    world, item, given, window = single(rng, pool)
    collected = fresh(world, window)
    shape = rng.choice(["own", "own-sent", "sent", "sent-unqualified", "in-house"])
    laboratory = world.organisation(rng.choice(PLACES[world.province]))
    if shape in ("own", "own-sent"):
        maker = laboratory if shape == "own-sent" else world.hospital
        world.result(item, collected, publisher=world.hospital, laboratory=maker, **given)
    elif shape == "sent":
        world.result(item, collected, laboratory=laboratory, **given)
    elif shape == "sent-unqualified":
        world.result(item, collected, laboratory=laboratory, qualified=False, **given)
        world.qualify(world.publisher, item)
    else:
        world.result(item, collected, **given)
        world.qualify(laboratory, item)
    return world, "full" if shape in ("sent", "in-house") else "none"


def sensitive(rng, pool):
    if rng.random() < 0.4:
        world = World(rng, pool.region)
        item = rng.choice([row["item"] for row in pool.region.items.values() if row["sensitive"]])
        world.ask_items(item)
        world.result(item, world.at - rng.randrange(1, 2 * DAY))
        return world, "none"
    world, item, given, window = single(rng, pool)
    mark = rng.choice(["sensitive", "unclassified", "normal"])
    world.result(item, fresh(world, window), sensitivity=mark, **given)
    return world, "full" if mark == "normal" else "none"


def competing(rng, pool):
    """Of several results the newest is offered; of several studies the one that answers most, then the newest."""
    world, item, given, window = single(rng, pool)
    for _ in range(rng.randrange(2, 5)):
        publisher = world.organisation(rng.choice(PLACES[world.province]))
        world.result(item, fresh(world, window), publisher=publisher, **given)
    if rng.random() < 0.5:
        spoiled = rng.choice([
            {"link": "disputed"}, {"status": "preliminary"}, {"qualified": False}, {"sensitivity": "sensitive"},
        ])
        publisher = world.organisation(rng.choice(PLACES[world.province]))
        world.result(item, world.at - 1, publisher=publisher, **spoiled, **given)
    return world, "full"


def unrelated(rng, pool):
    world, item, _, _ = single(rng, pool)
    for other in rng.sample([one for one in pool.lab if one != item], 3):
        world.result(other, world.at - rng.randrange(1, DAY))
    return world, "none"


def combined(rng, pool):
    """Everything at once, at random; judge.py alone says what is right."""
    setting = rng.choice(["outpatient", "outpatient", "outpatient", "inpatient", "inpatient", "emergency"])
    world = World(rng, pool.region, setting)
    kinds = rng.choice(["item", "items", "panel", "image", "mixed"])
    if kinds == "panel":
        name = rng.choice(pool.panels)
        asked = pool.region.panels[name]["items"]
        world.order = {"panel": name}
    else:
        unpaired = [item for item in pool.image if not pool.region.items[item]["paired"]]
        from_pool = {"image": unpaired, "mixed": pool.lab + unpaired}.get(kinds, pool.lab + pool.grouped)
        asked = rng.sample(from_pool, 1 if kinds in ("item", "image") else rng.randrange(2, 6))
        world.ask_items(*asked)
    if rng.random() < 0.9:
        world.agree(*asked)
    for flag in ("preoperative", "transfusion", "forensic", "serial", "neonate", "pregnant"):
        if rng.random() < 0.03:
            world.visit[flag] = True
    if rng.random() < 0.1:
        world.visit["treated_at"] = world.when(world.at - rng.randrange(0, 30 * DAY))
    if rng.random() < 0.15:
        move_hospital(world, rng.choice(PLACES[NEIGHBOURS[world.province]]))
    for item in asked:
        for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
            spoil(world, pool, item, setting)
    return world, None


def spoil(world, pool, item, setting):
    """One candidate for the item with none, one or several things against it."""
    rng, row = world.rng, pool.region.items[item]
    window = row["window"].get(setting, row["window"]["outpatient"]) or 24 * HOUR
    window = window * HOUR if window < HOUR else window
    publisher = rng.choice([world.publisher, world.organisation(rng.choice(PLACES[world.province]))])
    if rng.random() < 0.04:
        publisher = world.hospital
    given = {"publisher": publisher}
    if rng.random() < 0.1:
        given["laboratory"] = world.organisation(rng.choice(PLACES[world.province]))
    status = rng.choice(["preliminary", "withdrawn", "corrected"])
    for key, wrong, right in (("link", "disputed", "strong"), ("key", "invalid", "valid"), ("patient", "other", "same"),
                              ("sensitivity", "sensitive", "normal"), ("status", status, "final")):
        given[key] = wrong if rng.random() < 0.05 else right
    if row["laboratory"] and rng.random() < 0.06:
        given["specimen"] = rng.choice(["UR", "SER", "BLDA", "PLAS.CIT"])
    if row["value"] == "quantity" and rng.random() < 0.1:
        given["unit"] = rng.choice(sorted(pool.region.units))
    if row["same_group"] and rng.random() < 0.15:
        given["method"] = rng.choice(["", "CMIA-3"])
    if rng.random() < 0.06:
        given["qualified"] = False
    age = int(window * rng.choice([rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0, 1.4)]))
    collected = world.at - age - rng.randrange(1, 1000)
    candidate = world.result(item, collected, **given)
    laboratory = candidate["laboratory"]
    if row["laboratory"] and rng.random() < 0.12:
        published = collected + rng.randrange(-40 * DAY, 40 * DAY)
        sampled = published - rng.randrange(5 * DAY, 28 * DAY)
        world.round(laboratory, item, sampled, published, score=rng.choice(["100", "60", "40"]))
    if rng.random() < 0.1:
        subject = rng.choice(["", item, rng.choice(pool.lab)])
        effective = collected + rng.randrange(-20 * DAY, 20 * DAY)
        world.sanction("suspend", laboratory, subject, effective + rng.randrange(0, 20 * DAY), effective)
        if rng.random() < 0.5:
            again = effective + rng.randrange(1, 30 * DAY)
            world.sanction("restore", laboratory, subject, again, again)
    return candidate


# Category, its scenes, and how often it is drawn.
SCENES = [
    ("plain", plain, 3), ("panels", panels, 4), ("partials", partials, 4), ("partials", panel_ages, 3),
    ("windows", windows, 6), ("windows", no_window, 1), ("offsets", offsets, 4), ("date-only", date_only, 4),
    ("scopes", scopes, 7), ("scopes", two_centres, 2), ("failed-rounds", centres_differ, 2),
    ("failed-rounds", failed_rounds, 5),
    ("doubt", doubt, 5),
    ("two-of-three", two_of_three, 3), ("expiry", expiry, 3), ("failed-rounds", published_edge, 1),
    ("suspensions", suspensions, 5), ("credentials", credentials, 4), ("containment", containment, 7),
    ("containment", many_parts, 1), ("containment", modalities, 2), ("specimens", specimens, 2), ("units", units, 4),
    ("methods", methods, 3), ("methods", method_rounds, 2), ("never", never, 1), ("visit", flags, 4),
    ("visit", treated, 2), ("major-panels", major_panels, 1), ("patients", wrong_patients, 3),
    ("versions", versions, 4), ("own-and-sent-out", own_and_sent, 3), ("sensitive", sensitive, 2),
    ("competing", competing, 3), ("competing", competing_images, 3), ("competing", halves, 2),
    ("unrelated", unrelated, 1),
    ("combined", combined, 25), ("combined-images", mixed_images, 8), ("date-only", day_of_change, 2),
]
