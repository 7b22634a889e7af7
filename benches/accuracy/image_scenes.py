"""Scenes of images: what one study shows of another that was ordered."""

from pool import fresh
from world import DAY, PLACES, World


def containment(rng, pool):
    """View sets, wholes and parts, sides, plain and enhanced."""
    ordered, part, views, contrast, side, intended = rng.choice(CONTAINMENT)
    world = World(rng, pool.region)
    if side or contrast == "wish":
        asked, found = side or ("unpaired", "unpaired")
        wish = {"contrast": "plain-and-enhanced"} if contrast == "wish" else {}
        world.ask_image(ordered, side=asked, **wish)
    else:
        asked, found = "unpaired", "unpaired"
        world.ask_items(ordered)
    row = pool.region.items[ordered]
    given = {"side": found}
    if part:
        given["part"] = part
    if views is not None:
        given["views"] = list(views)
    if contrast:
        given["contrast"] = rng.choice(["plain", "enhanced"]) if contrast == "wish" else contrast
    shown = {name: given.get(name, row[name]) for name in ("part", "views", "contrast")}
    given["items"] = published_items(pool.region, row, shown)
    world.result(ordered, fresh(world, pool.window(ordered, "outpatient")), **given)
    for item in given["items"]:
        world.qualify(world.publisher, item)
    return world, intended


def published_items(region, row, shown):
    """Catalogue items that a publisher codes a study with: those whose images it shows exactly."""
    def same(other):
        contrast = other["contrast"] in ("any", shown["contrast"])
        both = shown["contrast"] == "plain-and-enhanced" and other["contrast"] in ("plain", "enhanced")
        views = set(other["views"]) == set(shown["views"]) or not other["views"]
        place = other["part"] == shown["part"] and other["modalities"] == row["modalities"]
        return place and views and (contrast or both)

    return sorted(other["item"] for other in region.items.values() if not other["laboratory"] and same(other))


# Ordered item, part shown, views shown, contrast shown ("wish": plain and enhanced asked, one shown), sides asked and
# shown, what is meant.
CONTAINMENT = [
    ("E01001", None, ("PA", "LATERAL"), None, None, "full"),
    ("E01002", None, ("PA",), None, None, "partial"),
    ("E01002", None, ("LATERAL",), None, None, "partial"),
    ("E01001", None, ("LATERAL",), None, None, "none"),
    ("E01002", None, ("PA", "LATERAL"), None, None, "full"),
    ("E01003", None, ("SUPINE",), None, None, "partial"),
    ("E01004", None, ("AP", "LATERAL", "OBLIQUE"), None, None, "full"),
    ("E01006", None, ("AP",), None, None, "partial"),
    ("E01006", "CSPINE", ("AP", "LATERAL"), None, None, "none"),
    ("E01006", "SPINE", ("AP", "LATERAL"), None, None, "full"),
    ("E02006", "ABDOMEN", None, "enhanced", None, "full"),
    ("E02007", "UPPER_ABDOMEN", None, "enhanced", None, "partial"),
    ("E02007", "LOWER_ABDOMEN", None, "enhanced", None, "partial"),
    ("E02005", "UPPER_ABDOMEN", None, "plain-and-enhanced", None, "full"),
    ("E02006", "UPPER_ABDOMEN", None, "plain-and-enhanced", None, "full"),
    ("E02003", None, None, "plain-and-enhanced", None, "full"),
    ("E02004", None, None, "plain-and-enhanced", None, "full"),
    ("E02003", None, None, "enhanced", None, "none"),
    ("E02004", None, None, "plain", None, "none"),
    ("E03002", None, None, "plain", None, "none"),
    ("E02003", None, None, "wish", None, "partial"),
    ("E02008", "UPPER_ABDOMEN", None, None, None, "none"),
    ("E01009", None, None, None, ("left", "left"), "full"),
    ("E01009", None, None, None, ("left", "right"), "none"),
    ("E01009", None, None, None, ("left", "both"), "full"),
    ("E01009", None, None, None, ("both", "left"), "partial"),
    ("E01009", None, ("AP",), None, ("right", "right"), "partial"),
    ("E01010", None, None, None, ("both", "both"), "full"),
    ("E03006", None, None, None, ("right", "left"), "none"),
    ("E03006", None, None, None, ("right", "right"), "full"),
    ("E07001", None, None, None, ("both", "right"), "partial"),
    ("E07001", None, None, None, ("left", "both"), "full"),
    ("E01013", "WRIST", None, None, ("left", "left"), "partial"),
    ("E01013", "HAND", None, None, ("left", "right"), "none"),
]


def many_parts(rng, pool):
    """One study of several body parts."""
    world = World(rng, pool.region)
    ordered = rng.choice(["E02003", "E02005", "E02008"])
    parts = rng.sample(["CHEST", "UPPER_ABDOMEN", "PELVIS", "HEAD"], rng.randrange(2, 4))
    contrast = rng.choice(["plain", "plain", "plain-and-enhanced"])
    shown = {"modality": "CT", "side": "unpaired", "views": [], "contrast": contrast}
    coverage = [{**shown, "body_part": part} for part in parts]
    row = pool.region.items[ordered]
    items = sorted({
        item for part in parts
        for item in published_items(pool.region, row, {"part": part, "views": [], "contrast": contrast})
    })
    world.ask_items(ordered)
    world.result(ordered, fresh(world, pool.window(ordered, "outpatient")), coverage=coverage, items=items)
    return world, "full" if row["part"] in parts else "none"


def modalities(rng, pool):
    world = World(rng, pool.region)
    ordered, modality, part = rng.choice([
        ("E02001", "MR", "HEAD"), ("E03001", "CT", "HEAD"), ("E05002", "RF", "URINARY_TRACT"),
        ("E02012", "XA", "CORONARY"), ("E01001", "CR", "CHEST"), ("E01001", "DX", "CHEST"), ("E01001", "CT", "CHEST"),
    ])
    world.ask_items(ordered)
    row = pool.region.items[ordered]
    alike = [
        other["item"] for other in pool.region.items.values()
        if modality in other["modalities"] and other["part"] == part and other["contrast"] in ("any", row["contrast"])
    ]
    items = [ordered] if modality in row["modalities"] else sorted(alike)
    world.result(ordered, fresh(world, pool.window(ordered, "outpatient")), modality=modality, part=part, items=items)
    world.credential(world.publisher, modality, world.at - 300 * DAY, world.at)
    return world, "full" if modality in row["modalities"] else "none"


def competing_images(rng, pool):
    world = World(rng, pool.region)
    item, less, more = rng.choice([
        ("E01002", {"views": ["PA"], "items": ["E01001"]}, {}),
        ("E01006", {"views": ["AP"], "items": []}, {}),
        ("E02007", {"part": "UPPER_ABDOMEN", "items": ["E02006"]}, {}),
        ("E01001", {}, {"views": ["PA", "LATERAL"], "items": ["E01002"]}),
    ])
    world.ask_items(item)
    window = pool.window(item, "outpatient")
    for given in [less, more, rng.choice([less, more])]:
        publisher = world.organisation(rng.choice(PLACES[world.province]))
        world.result(item, fresh(world, window), publisher=publisher, **given)
    return world, "full"


def halves(rng, pool):
    """Two studies that answer a part each, and together all."""
    world = World(rng, pool.region)
    item, halves, sides = rng.choice([
        ("E01002", [{"views": ["PA"], "items": ["E01001"]}, {"views": ["LATERAL"], "items": []}], None),
        ("E01004", [{"views": ["AP"], "items": []}, {"views": ["LATERAL"], "items": []}], None),
        ("E02007", [{"part": "UPPER_ABDOMEN", "items": ["E02006"]}, {"part": "LOWER_ABDOMEN", "items": []}], None),
        ("E01009", [{"side": "left"}, {"side": "right"}], "both"),
        ("E03006", [{"side": "left"}, {"side": "right"}], "both"),
    ])
    if sides:
        world.ask_image(item, side=sides)
    else:
        world.ask_items(item)
    window = pool.window(item, "outpatient")
    for given in halves:
        publisher = world.organisation(rng.choice(PLACES[world.province]))
        world.result(item, fresh(world, window), publisher=publisher, **given)
    return world, "full"


def mixed_images(rng, pool):
    """Studies of any part, side, views and contrast for one order; judge.py alone says what they answer together."""
    setting = rng.choice(["outpatient", "inpatient"])
    world = World(rng, pool.region, setting)
    item = pool.pick(rng, pool.image, setting)
    row = pool.region.items[item]
    if row["paired"] or (row["contrast"] != "any" and rng.random() < 0.5):
        contrast = row["contrast"] if row["contrast"] == "any" else rng.choice([row["contrast"], "plain-and-enhanced"])
        side = rng.choice(["left", "right", "both"]) if row["paired"] else "unpaired"
        world.ask_image(item, side=side, contrast=contrast)
    else:
        world.ask_items(item)
    near = [part for part in pool.region.body_parts if pool.region.contains(row["part"], part)]
    near += [part for part in pool.region.body_parts if pool.region.contains(part, row["part"])]
    for _ in range(rng.randrange(1, 5)):
        part = rng.choice(near) if rng.random() < 0.9 else rng.choice(sorted(pool.region.body_parts))
        paired = pool.region.body_parts[part]["paired"]
        modality = rng.choice(row["modalities"]) if rng.random() < 0.9 else rng.choice(["CT", "MR", "DX", "US"])
        shown = {
            "modality": modality,
            "body_part": part,
            "side": rng.choice(["left", "right", "left", "right", "both", "unknown"]) if paired else "unpaired",
            "views": sorted(rng.sample(row["views"], rng.randrange(len(row["views"]) + 1))) or ["OBLIQUE"],
            "contrast": rng.choice(["plain", "enhanced", "plain-and-enhanced", "unknown"]),
        }
        publisher = world.organisation(rng.choice(PLACES[world.province]))
        collected = fresh(world, pool.window(item, setting))
        world.result(item, collected, coverage=[shown], items=[item], publisher=publisher)
        if modality not in row["modalities"]:
            world.credential(publisher, modality, world.at - 400 * DAY, world.at)
    return world, None
