#!/usr/bin/env python3
"""Works out what a large benchmark costs on many workers, from the measured cell costs of a small one.

    bertillon plan SUITE -o plan.json
    python3 scripts/makespan.py plan.json --models 10000 --benign 16 --crafting 4 --bank 100 --measured 2455

Costs of cells are drawn from the plan's own, brought to the seconds that a whole run of it really took; those of answering crafted queries grow with the owners,
since every model answers every bank. Compared are shares by hash of one core each and of one node each (whose cores take the
longest cell left), one queue for all, and the least that any order can take. Standard library only.
"""

import argparse
import hashlib
import heapq
import json
import random

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("plan")
parser.add_argument("--models", type=int, default=10_000)
parser.add_argument("--benign", type=int, default=16, help="methods that ask images of the pool")
parser.add_argument("--crafting", type=int, default=4, help="methods that craft queries")
parser.add_argument("--bank", type=int, default=100, help="queries an owner crafts by each, here and there")
parser.add_argument("--pool", type=int, default=2_000, help="images of the pool, here and there")
parser.add_argument("--nodes", type=int, default=100)
parser.add_argument("--cores", type=int, default=16, help="of a node")
parser.add_argument("--measured", type=float, required=True, help="processor seconds of a whole run of the plan, cold")
given = parser.parse_args()
random.seed(0)

cells = json.load(open(given.plan))["cells"]
models = [cell["seconds"] for cell in cells if cell["phase"] == "models"]
crafting = [cell["seconds"] for cell in cells if cell["phase"] == "crafting"]
vanillas = [cell["seconds"] for cell in cells if cell["phase"] == "vanillas"]
if not models or not any(models):
    raise SystemExit("freeze the plan with an empty --cache: its cells are done already")
factor = given.measured / sum(models + crafting + vanillas)
variants = len(models) // len(vanillas) - 1
owners = given.models // (variants + 1)
banks = owners * given.bank * given.crafting
# The plan's models answered the pool and the banks of its own owners.
then = given.pool + len(crafting) * given.bank
now = given.pool + banks


def queue(costs, workers):
    """Time of workers that take the longest cell left, whoever is free first."""
    free = [0.0] * workers
    for cost in sorted(costs, reverse=True):
        heapq.heappush(free, heapq.heappop(free) + cost)
    return max(free)


def by_hash(costs, shards, workers):
    """Time of the slowest shard, each of so many workers."""
    work = [[] for _ in range(shards)]
    for number, cost in enumerate(costs):
        digest = hashlib.blake2b(number.to_bytes(8, "little"), digest_size=8).digest()
        work[int.from_bytes(digest, "little") % shards].append(cost)
    return max(queue(costs, workers) for costs in work)


def hours(seconds):
    return f"{seconds / 3600:10.3f}"


phases = {
    "crafting": [random.choice(crafting) * factor for _ in range(owners * given.crafting)] if crafting else [],
    "models": [random.choice(models) * factor * now / then for _ in range(given.models)],
}
print(f"{given.models} models in {owners} families, {given.benign + given.crafting} methods, {given.nodes} x {given.cores} cores")
print(f"answers a model: {given.pool} to the pool, {banks} to crafted queries")
columns = ["work", "longest", "least", "a core", "a node", "one queue"]
print(f"{'hours':10} {'cells':>8} " + " ".join(f"{column:>10}" for column in columns))
for name, costs in phases.items():
    if costs:
        workers = given.nodes * given.cores
        row = [
            sum(costs),
            max(costs),
            max(sum(costs) / workers, max(costs)),
            by_hash(costs, workers, 1),
            by_hash(costs, given.nodes, given.cores),
            queue(costs, workers),
        ]
        print(f"{name:10} {len(costs):8} " + " ".join(hours(value) for value in row))
