#!/usr/bin/env python3
"""Writes labelled cases for `concord bench accuracy`, one JSON object a line; the same seed writes the same cases.

    python3 benches/accuracy/generate.py [--seed N] [--cases N] > cases.jsonl

The format and the rules are in docs/accuracy.md. Standard library only; nothing here is shared with the product.
"""

import argparse
import json
import random
import sys

from judge import label
from pool import Pool
from region import Region
from scenes import SCENES

CASES = 6_000
SEED = 20_260_101


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--seed", type=int, default=SEED, help=f"seed of the cases ({SEED})")
    options.add_argument("--cases", type=int, default=CASES, help=f"how many ({CASES})")
    options = options.parse_args()
    region = Region()
    pool = Pool(region)
    deck = [(category, scene) for category, scene, weight in SCENES for _ in range(weight)]
    for number in range(options.cases):
        category, scene = deck[number % len(deck)]
        rng = random.Random(f"{options.seed}/{number}")
        world, intended = scene(rng, pool)
        case = world.case(f"{category}-{number:05d}", category)
        case["label"] = label(case, region)
        if intended is not None and case["label"]["coverage"] != intended:
            sys.exit(f"{case['id']}: meant {intended}, judged {case['label']['coverage']}: {case['label']['because']}")
        print(json.dumps(case, ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    main()
