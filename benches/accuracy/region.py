"""The region's files as data: items, panels, body parts, units, policy. Nothing is judged here."""

import csv
import tomllib
from decimal import Decimal
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent.parent / "deploy" / "region"


def rows(name):
    with open(FOLDER / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def parts(cell):
    return [part for part in cell.split("|") if part]


class Region:
    """What deploy/region says, in the words of docs/region.md."""

    def __init__(self):
        self.items = {row["item"]: read_item(row) for row in rows("catalogue.csv")}
        self.panels = {
            row["panel"]: {"purpose": row["purpose"], "items": parts(row["items"])} for row in rows("panels.csv")
        }
        self.body_parts = {
            row["part"]: {"parent": row["parent"], "paired": row["paired"] == "yes"} for row in rows("body_parts.csv")
        }
        self.units = {}
        self.spellings = {}
        for row in rows("units.csv"):
            self.units[row["unit"]] = row["dimension"]
            self.spellings[row["unit"]] = parts(row["spellings"])
        self.written = {unit: unit for unit in self.units}
        for unit, spellings in self.spellings.items():
            for spelling in spellings:
                self.written[spelling] = unit
        self.conversions = {(row["item"], row["unit"]) for row in rows("conversions.csv")}
        with open(FOLDER / "policy.toml", "rb") as file:
            self.policy = tomllib.load(file)

    def comparable_unit(self, item, written):
        """Whether a rule of the region brings the unit to the item's (units.csv, conversions.csv, molar mass)."""
        if not written:
            return self.units[item["unit"]] == "number"
        unit = self.written.get(written)
        if unit is None:
            return False
        if (item["item"], unit) in self.conversions:
            return True
        ours, theirs = self.units[item["unit"]], self.units[unit]
        return ours == theirs or (item["molar_mass"] and {ours, theirs} == {"g/L", "mol/L"})

    def contains(self, whole, part):
        """Whether the body part `whole` contains `part`."""
        while part:
            if part == whole:
                return True
            part = self.body_parts[part]["parent"]
        return False

    def pieces(self, whole):
        """The smallest body parts inside one; itself where the table divides it no further."""
        inside = [part for part, row in self.body_parts.items() if row["parent"] == whole]
        return [piece for part in inside for piece in self.pieces(part)] or [whole]


def read_item(row):
    """One row of catalogue.csv."""
    return {
        "item": row["item"],
        "laboratory": row["class"] == "laboratory",
        "window": {
            "outpatient": int(row["window_outpatient_hours"]),
            "inpatient": int(row["window_inpatient_hours"]),
        },
        "never": row["never_prompt"] == "yes",
        "sensitive": row["sensitive"] == "yes",
        "specimens": parts(row["specimens"]),
        "value": row["value"],
        "unit": row["unit"],
        "molar_mass": Decimal(row["molar_mass_g_per_mol"]) if row["molar_mass_g_per_mol"] else None,
        "same_group": row["method"] == "same-group",
        "programme": row["programme"].split(" ")[0][:40],
        "modalities": parts(row["modalities"]),
        "part": row["body_part"],
        "paired": row["laterality"] == "side",
        "views": parts(row["views"]),
        "contrast": row["contrast"],
        "thickness_max": Decimal(row["slice_thickness_mm_max"]) if row["slice_thickness_mm_max"] else None,
    }
