"""Scenes of qualification: rounds, doubt, expiry, suspensions, credentials."""

from pool import fresh, single
from world import DAY, HOUR


def centres_differ(rng, pool):
    """One centre's failed round speaks against laboratory and item, whoever else passed it."""
    world, _, put = rounds_world(rng, pool)
    put(-90 * DAY, -60 * DAY)
    wide = world.centre("national")
    good = rng.random() < 0.4
    put(-80 * DAY, -50 * DAY, good=good, issuer=wide)
    return world, "full" if good else "none"


def rounds_world(rng, pool):
    """A laboratory result without rounds yet, collected 6 to 28 days ago."""
    world, item, _, _ = single(rng, pool, pool.lab, hours_min=720)
    collected = world.at - rng.randrange(6 * DAY, 28 * DAY)
    world.result(item, collected, qualified=False)
    def put(sampled, published, good=True, **given):
        if not good and "status" not in given:
            given["score"] = rng.choice(["0", "20", "40", "60", "79.9"])
        world.round(world.publisher, item, collected + sampled, collected + published, **given)
    return world, collected, put


def failed_rounds(rng, pool):
    world, collected, put = rounds_world(rng, pool)
    shape = rng.choice([
        "before", "restored", "corrected", "corrected-late", "late", "unreported", "silent", "first", "none",
        "unpublished",
    ])
    if shape not in ("first", "none", "unpublished"):
        put(-160 * DAY, -130 * DAY)
    if shape in ("before", "restored", "late", "corrected", "corrected-late"):
        put(-110 * DAY, -80 * DAY, good=False)
    if shape == "restored":
        put(-60 * DAY, -rng.randrange(1, 30 * DAY))
    elif shape.startswith("corrected"):
        item = world.order["items"][0]
        again = collected - rng.choice([0, rng.randrange(1, 60 * DAY)])
        if shape == "corrected-late":
            again = collected + rng.randrange(1, 4 * DAY)
        world.sanction("restore", world.publisher, rng.choice(["", item]), again, again)
    elif shape == "late":
        put(-20 * DAY, rng.randrange(1, 5 * DAY))
    elif shape == "unreported":
        put(-50 * DAY, -20 * DAY, good=False, status="not-reported", score="0")
    elif shape == "silent":
        put(-50 * DAY, -20 * DAY, good=False, status=rng.choice(["excused", "not-graded"]), score="0")
    elif shape == "first":
        put(-30 * DAY, -rng.randrange(1, 10 * DAY))
    elif shape == "unpublished":
        put(-30 * DAY, rng.randrange(1, 5 * DAY))
    return world, "full" if shape in ("restored", "corrected", "silent", "first") else "none"


def doubt(rng, pool):
    """A failed round throws doubt on what was collected from its samples on, once it is published."""
    world, collected, put = rounds_world(rng, pool)
    put(-160 * DAY, -130 * DAY)
    shape = rng.choice(["doubt", "lag", "after-sample", "edge-in", "edge-out", "healed"])
    to_order = world.at - collected
    if shape in ("doubt", "healed"):
        put(-rng.randrange(1, 30 * DAY), rng.randrange(1, 4 * DAY), good=False)
    if shape == "healed":
        put(int(4.5 * DAY), min(to_order, 6 * DAY), good=True)
    if shape == "lag":
        put(-rng.randrange(1, 20 * DAY), to_order + rng.randrange(1, 20 * DAY), good=False)
    if shape == "after-sample":
        put(rng.randrange(1, 3 * DAY), rng.randrange(3 * DAY, to_order), good=False)
    if shape == "edge-in":
        put(0, rng.choice([to_order, rng.randrange(DAY, to_order)]), good=False)
    if shape == "edge-out":
        put(1, to_order, good=False)
    return world, "none" if shape in ("doubt", "edge-in", "healed") else "full"


def two_of_three(rng, pool):
    world, _, put = rounds_world(rng, pool)
    marks = [rng.random() < 0.6 for _ in range(rng.randrange(2, 6))]
    for place, good in enumerate(marks):
        published = (place - len(marks)) * 50 * DAY + rng.randrange(0, 5 * DAY) + 20 * DAY
        put(published - 25 * DAY, published, good=good)
    holds = marks[-1] and marks[-3:].count(False) < 2
    return world, "full" if holds else "none"


def expiry(rng, pool):
    world, _, put = rounds_world(rng, pool)
    policy = pool.region.policy["qualification"]
    due, grace = policy["round_interval_days"] * DAY, policy["grace_days"] * DAY
    shape = rng.choice(["valid", "grace", "expired"])
    low, high = {
        "valid": (10 * DAY, due),
        "grace": (due + 2 * DAY, due + grace - 2 * DAY),
        "expired": (due + grace + 2 * DAY, 500 * DAY),
    }[shape]
    age = rng.randrange(low, high)
    put(-age - 30 * DAY, -age)
    return world, "none" if shape == "expired" else "full"


def published_edge(rng, pool):
    world, _, put = rounds_world(rng, pool)
    late = rng.choice([0, 0, 1, -1, rng.randrange(2, HOUR)])
    put(-30 * DAY, late)
    return world, "none" if late > 0 else "full"


def method_rounds(rng, pool):
    """A round for one method group says nothing about another."""
    world, collected, put = rounds_world(rng, pool)
    version = world.candidates[0]["versions"][0]
    version["method"] = "WET-1"
    shape = rng.choice(["same", "other", "both"])
    if shape in ("same", "both"):
        put(-90 * DAY, -60 * DAY, method="WET-1")
    if shape in ("other", "both"):
        put(-90 * DAY, -60 * DAY, method="DRY-2", good=shape == "other")
    return world, "none" if shape == "other" else "full"


def suspensions(rng, pool):
    world, item, given, window = single(rng, pool, hours_min=336)
    collected = world.at - rng.randrange(4 * DAY, window - DAY)
    candidate = world.result(item, collected, **given)
    row = pool.region.items[item]
    laboratory, to_order = candidate["laboratory"], world.at - collected
    modality = "" if row["laboratory"] else candidate["versions"][0]["coverage"][0]["modality"]
    subject = rng.choice(["", item] + ([modality] if modality else []))
    shape = rng.choice([
        "in-force", "retroactive", "after", "not-yet-said", "restored", "restored-after", "other", "edge", "edge-out",
    ])
    effective, issued = -rng.randrange(DAY, 30 * DAY), None
    if shape == "retroactive":
        issued = rng.randrange(DAY, to_order)
    elif shape == "not-yet-said":
        issued = to_order + rng.randrange(1, DAY)
    elif shape in ("after", "edge-out", "edge"):
        effective = {"after": rng.randrange(2, to_order), "edge": 0, "edge-out": 1}[shape]
    elif shape == "other":
        subject = rng.choice([one for one in pool.lab if one != item])
    issued = effective if issued is None else issued
    world.sanction("suspend", laboratory, subject, collected + issued, collected + effective)
    if shape == "restored":
        again = rng.choice([0, -rng.randrange(0, -effective)])
        world.sanction("restore", laboratory, subject, collected + again, collected + again)
    if shape == "restored-after":
        again = rng.choice([1, rng.randrange(1, to_order)])
        world.sanction("restore", laboratory, subject, collected + again, collected + again)
    stopped = shape in ("in-force", "retroactive", "restored-after", "edge")
    return world, "none" if stopped else "full"


def credentials(rng, pool):
    """Images rest on a direct credential for a modality or an item, both ends included."""
    world, item, given, window = single(rng, pool, pool.image, hours_min=72)
    collected = fresh(world, window)
    candidate = world.result(item, collected, qualified=False, **given)
    modality = candidate["versions"][0]["coverage"][0]["modality"]
    shapes = ["in", "item", "first", "last", "early", "late", "ended", "other", "none", "unsaid"]
    year, shape = 365 * DAY, rng.choice(shapes)
    subject = item if shape == "item" else modality
    low, high = collected - rng.randrange(DAY, 300 * DAY), collected + rng.randrange(DAY, 60 * DAY)
    low, high = {
        "first": (collected, collected + year),
        "last": (collected - year, collected),
        "early": (collected + 1, collected + year),
        "late": (collected - year, collected - 1),
        "ended": (collected - year, collected - rng.randrange(DAY, 100 * DAY)),
    }.get(shape, (low, high))
    if shape == "other":
        subject = rng.choice([one for one in ["CT", "MR", "US", "XA", "NM"] if one != modality])
    if shape != "none":
        issued = world.at + rng.randrange(1, DAY) if shape == "unsaid" else None
        world.credential(world.publisher, subject, low, high, issued=issued)
    return world, "full" if shape in ("in", "item", "first", "last") else "none"
