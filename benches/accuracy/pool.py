"""What scenes lean on: items by what can be shown with them, and a world with one item asked for."""

from world import DAY, HOUR, World


NEIGHBOURS = {
    "520000": "510000", "510000": "520000", "110000": "130000",
    "130000": "110000", "320000": "420000", "420000": "320000",
}


class Pool:
    """Items by what can be shown with them."""

    def __init__(self, region):
        self.region = region
        usable = [row for row in region.items.values() if not row["never"] and not row["sensitive"]]
        self.lab = [row["item"] for row in usable if row["laboratory"] and not row["same_group"]]
        self.grouped = [row["item"] for row in usable if row["same_group"]]
        images = [row for row in usable if not row["laboratory"]]
        self.image = [row["item"] for row in images if row["paired"] == region.body_parts[row["part"]]["paired"]]
        self.panels = sorted(name for name, panel in region.panels.items() if panel["purpose"] == "care")
        self.major = sorted(name for name, panel in region.panels.items() if panel["purpose"] != "care")

    def window(self, item, setting):
        return self.region.items[item]["window"][setting] * HOUR

    def pick(self, rng, kinds, setting="outpatient", hours_min=1):
        items = [item for item in kinds if self.window(item, setting) >= hours_min * HOUR]
        return rng.choice(items)


def ask(world, item, side=None):
    """Asks for one item; a paired image with its side."""
    row = world.region.items[item]
    if row["laboratory"] or not row["paired"]:
        world.ask_items(item)
        return {}
    side = side or world.rng.choice(["left", "right"])
    world.ask_image(item, side=side)
    return {"side": side}


def single(rng, pool, kinds=None, hours_min=1, scope=None):
    """A world with one item asked for, in a setting that has a window for it."""
    setting = rng.choice(["outpatient", "outpatient", "inpatient"])
    world = World(rng, pool.region, setting, scope)
    item = pool.pick(rng, kinds or pool.lab + pool.lab + pool.image, setting, hours_min)
    world.agree(item)
    return world, item, ask(world, item), pool.window(item, setting)


def fresh(world, window):
    """An instant of collection well inside the window."""
    return world.at - int(window * world.rng.uniform(0.02, 0.9)) - 1


def move_hospital(world, adcode):
    del world.places[world.hospital]
    world.hospital = world.organisation(adcode)
