"""A case under construction: who takes part, what was asked, what was found, what QC centres said."""

from datetime import datetime, timedelta, timezone

DAY = 86_400_000
HOUR = 3_600_000
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

# Offsets that clocks write: China, UTC, Ürümqi, India, New York, Tokyo, Kathmandu.
OFFSETS = [480, 480, 480, 480, 480, 0, 360, 330, -300, 540, 345]
CODE_SIGNS = "0123456789ABCDEFGHJKLMNPQRTUWXY"

# A province's QC centre lies in its capital but counts by the scope that the case gives it.
PLACES = {
    "520000": ["520102", "520103", "520115", "520302", "520303", "520402", "522301"],
    "110000": ["110101", "110102", "110105", "110108"],
    "130000": ["130102", "130104", "130203", "130602"],
    "320000": ["320102", "320106", "320505", "320602"],
    "510000": ["510104", "510107", "510703", "511502"],
    "420000": ["420102", "420106", "420502", "420606"],
}


def credit_code(adcode, number):
    """A unified social credit code with its check characters (GB 32100, GB 11714)."""
    body = f"{number:08d}"
    total = sum(int(sign) * weight for sign, weight in zip(body, (3, 7, 9, 10, 5, 8, 4, 2)))
    check = {10: "X", 11: "0"}.get(11 - total % 11, str(11 - total % 11))
    code = "12" + adcode + body + check
    total = sum(CODE_SIGNS.index(sign) * pow(3, place, 31) for place, sign in enumerate(code))
    return code + CODE_SIGNS[(31 - total % 31) % 31]


def written(ms, offset):
    """RFC 3339 with milliseconds at an offset."""
    moment = EPOCH + timedelta(milliseconds=ms) + timedelta(minutes=offset)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}" + zone(offset)


def zone(offset):
    return f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"


def day_start(ms, offset):
    """First instant of the day at the offset."""
    return (ms + offset * 60_000) // DAY * DAY - offset * 60_000


def written_day(ms, offset):
    """The day alone, with the offset of the clock that wrote it (XML Schema date)."""
    return (EPOCH + timedelta(milliseconds=ms + offset * 60_000)).strftime("%Y-%m-%d") + zone(offset)


class World:
    """One case. Everything in it is right until a scene spoils it."""

    def __init__(self, rng, region, setting="outpatient", scope=None):
        self.rng, self.region = rng, region
        start = int(datetime(2026, 7, 1, tzinfo=timezone.utc).timestamp()) * 1000
        self.at = start + rng.randrange(0, 140 * DAY)
        self.places, self.number, self.qualified = {}, rng.randrange(10_000_000, 80_000_000), set()
        self.province = rng.choice(sorted(PLACES))
        self.issuers = []
        self.hospital = self.organisation(rng.choice(PLACES[self.province]))
        self.publisher = self.organisation(rng.choice(PLACES[self.province]))
        self.issuer = self.centre(scope or self.province)
        self.visit = {"setting": setting, "methods": {}}
        self.order, self.candidates = None, []
        self.rounds, self.credentials, self.suspensions, self.restorations = [], [], [], []

    def organisation(self, adcode, role="hospital"):
        self.number += self.rng.randrange(1, 50)
        code = credit_code(adcode, self.number)
        self.places[code] = (adcode, role)
        return code

    def centre(self, scope):
        """A QC centre whose word counts in the scope."""
        home = scope if scope.isdigit() else self.province
        code = self.organisation(home, "qc-centre")
        self.issuers.append({"code": code, "scope": scope})
        return code

    def when(self, ms, offset=None):
        return written(ms, self.rng.choice(OFFSETS) if offset is None else offset)

    # What was found.

    def result(self, item, collected, **given):
        """A laboratory result or a study that answers the item and has nothing against it, unless told."""
        row = self.region.items[item]
        versions = [self.version(row, collected, given)]
        candidate = {
            "id": f"c{len(self.candidates) + 1}",
            "patient": given.get("patient", "same"),
            "link": given.get("link", "strong"),
            "key": given.get("key", "valid"),
            "publisher": given.get("publisher", self.publisher),
            "laboratory": given.get("laboratory", given.get("publisher", self.publisher)),
            "versions": versions,
        }
        self.candidates.append(candidate)
        if given.get("qualified", True):
            self.qualify(candidate["laboratory"], item)
        return candidate

    def version(self, row, collected, given):
        """Version 1 of a result."""
        reported = min(collected + self.rng.randrange(HOUR // 2, 20 * HOUR), max(self.at, collected + 1))
        version = {
            "version": 1,
            "status": given.get("status", "final"),
            "items": given.get("items", [row["item"]]),
            "collected": given.get("collected_text") or self.when(collected, given.get("offset")),
            "reported": self.when(reported),
            "sensitivity": given.get("sensitivity", "normal"),
        }
        if row["laboratory"]:
            value, unit = self.value(row)
            version["specimen"] = given.get("specimen", self.rng.choice(row["specimens"]))
            version["value"] = given.get("value", value)
            version["unit"] = given.get("unit", unit)
            version["method"] = given.get("method", self.visit["methods"].get(row["item"], ""))
        else:
            version["coverage"] = given.get("coverage", [self.shows(row, given)])
            version["slice_thickness_mm"] = given.get("slices", [self.rng.choice(["1.0", "1.25", "5.0"])])
        return version

    def value(self, row):
        """A value as a laboratory writes it, in the item's unit or in another spelling of it."""
        if row["value"] == "finding":
            return self.rng.choice(["阴性", "阳性", "negative", "positive", "弱阳性"]), ""
        units = [row["unit"]] * 3 + self.region.spellings.get(row["unit"], [])[:4]
        return f"{self.rng.randrange(1, 40_000) / 100:.2f}", self.rng.choice(units)

    def shows(self, row, given):
        """What a study of the item shows: one body part."""
        any_contrast = self.rng.choice(["plain", "enhanced", "not-applicable"])
        contrast = any_contrast if row["contrast"] == "any" else row["contrast"]
        return {
            "modality": given.get("modality", self.rng.choice(row["modalities"])),
            "body_part": given.get("part", row["part"]),
            "side": given.get("side", self.rng.choice(["left", "right"]) if row["paired"] else "unpaired"),
            "views": given.get("views", list(row["views"])),
            "contrast": given.get("contrast", contrast),
        }

    # What was asked.

    def ask_items(self, *items):
        self.order = {"items": list(items)}

    def ask_image(self, item, **given):
        """Asks for an image with its side."""
        row = self.region.items[item]
        wish = {
            "item": item,
            "modality": row["modalities"][0],
            "body_part": row["part"],
            "side": given.get("side", "unpaired"),
            "views": list(row["views"]),
            "contrast": given.get("contrast", row["contrast"]),
        }
        self.order = {"imaging": [wish]}

    def agree(self, *items):
        """The hospital's method groups, so that a result of the default method compares."""
        for item in items:
            if self.region.items[item]["same_group"]:
                self.visit["methods"][item] = self.rng.choice(["CLIA-1", "ECLIA-2", "CMIA-3", "OPT-4"])

    # What QC centres said.

    def qualify(self, laboratory, item, issuer=None):
        """Two good rounds, or a credential for the modality, that hold for as long as anybody looks back."""
        issuer = issuer or self.issuer
        if (laboratory, item, issuer) in self.qualified:
            return
        self.qualified.add((laboratory, item, issuer))
        row = self.region.items[item]
        if row["laboratory"]:
            published = self.at - self.rng.randrange(100 * DAY, 130 * DAY)
            self.round(laboratory, item, published - 200 * DAY, published - 170 * DAY, issuer=issuer)
            self.round(laboratory, item, published - 25 * DAY, published, issuer=issuer)
            return
        for modality in row["modalities"]:
            if (laboratory, modality, issuer) not in self.qualified:
                self.qualified.add((laboratory, modality, issuer))
                self.credential(laboratory, modality, self.at - 400 * DAY, self.at + 60 * DAY, issuer=issuer)

    def round(self, laboratory, item, sampled, published, score=None, status="scored", method="", issuer=None):
        """One laboratory's result for one item in one round; a good one unless told."""
        full = item in self.region.policy["qualification"]["full_score_items"]
        self.rounds.append({
            "issuer": issuer or self.issuer,
            "programme": self.region.items[item]["programme"] or "EQA",
            "year": (EPOCH + timedelta(milliseconds=sampled)).year,
            "round": 0,
            "laboratory": laboratory,
            "item": item,
            "method": method,
            "status": status,
            "score": score or ("100" if full else self.rng.choice(["80", "100", "100"])),
            "sampled": self.when(sampled),
            "published": self.when(published),
        })

    def credential(self, laboratory, subject, valid_from, valid_to, issued=None, issuer=None):
        self.credentials.append({
            "issuer": issuer or self.issuer,
            "issued": self.when(valid_from if issued is None else issued),
            "laboratory": laboratory,
            "subject": subject,
            "valid_from": self.when(valid_from),
            "valid_to": self.when(valid_to),
            "basis": "site evaluation",
        })

    def sanction(self, kind, laboratory, subject, issued, effective):
        kept = self.suspensions if kind == "suspend" else self.restorations
        kept.append({
            "issuer": self.issuer,
            "issued": self.when(issued),
            "laboratory": laboratory,
            "subject": subject,
            "effective": self.when(effective),
        })

    def number_rounds(self):
        """Numbers the rounds of each programme and year in the order of their samples."""
        counted = {}
        for one in sorted(self.rounds, key=lambda one: datetime.fromisoformat(one["sampled"])):
            series = tuple(one[key] for key in ("issuer", "laboratory", "item", "method", "year"))
            one["round"] = counted[series] = counted.get(series, 0) + 1

    def case(self, name, category):
        """The case without its label."""
        self.number_rounds()
        self.rng.shuffle(self.candidates)
        visit = {"hospital": self.hospital, "region": self.places[self.hospital][0], **self.visit}
        return {
            "id": name,
            "category": category,
            "at": self.when(self.at),
            "organisations": [
                {"code": code, "region": adcode, "role": role} for code, (adcode, role) in sorted(self.places.items())
            ],
            "issuers": self.issuers,
            "order": self.order,
            "visit": visit,
            "candidates": self.candidates,
            "quality": {
                "rounds": self.rounds,
                "credentials": self.credentials,
                "suspensions": self.suspensions,
                "restorations": self.restorations,
            },
        }
