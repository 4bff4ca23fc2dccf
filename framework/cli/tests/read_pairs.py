"""Opens pairs.parquet of a run with pandas, and with polars and DuckDB where they are installed.

Works out every true-positive rate at exactly alpha from the distances alone, overall and by kind of variant, and compares
it with results.json beside it. For the pooled protocol.
"""

import json
import math
import sys
from pathlib import Path

import pandas

folder = Path(sys.argv[1])
results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
pairs = pandas.read_parquet(folder / "pairs.parquet")
assert results["evaluation"]["protocol"] == "pooled"
assert len(pairs) == results["pairs"]["rows"]


def rates(draw, masks, alpha):
    """The share of the true pairs of each mask that a test accepts which accepts alpha of the false ones."""
    negatives = draw.distance[~draw.positive].sort_values().to_numpy()
    threshold = negatives[math.floor(alpha * len(negatives) + 1e-9)]
    below, equal = (negatives < threshold).sum(), (negatives == threshold).sum()
    share = min(max((alpha * len(negatives) - below) / equal, 0.0), 1.0)
    accepted = (draw.distance < threshold) + share * (draw.distance == threshold)
    return [accepted[mask].mean() for mask in masks]


checked = 0
alpha = results["evaluation"]["false_positive_rate"]
for fingerprint in results["fingerprints"]:
    for at in fingerprint["budgets"]:
        own = pairs[(pairs.fingerprint == fingerprint["name"]) & (pairs.budget == at["budget"])]
        assert sorted(own.draw.unique()) == list(range(at["draws"]))
        found = []
        for _, draw in own.groupby("draw"):
            masks = [draw.positive]
            for row in at["variations"]:
                mask = draw.positive & (draw.kind == row["kind"])
                for column in ["detail", "parameter"]:
                    if row[column] is not None:
                        mask &= draw[column] == row[column]
                masks.append(mask)
            found.append(rates(draw, masks, alpha))
            assert [int(mask.sum()) for mask in masks[1:]] == [row["positives"] for row in at["variations"]]
        means = [sum(of_draw) / len(found) for of_draw in zip(*found)]
        expected = [at["tpr_randomised"]["mean"]] + [row["tpr_randomised"]["mean"] for row in at["variations"]]
        for one, other in zip(means, expected):
            assert abs(one - other) < 1e-9, (fingerprint["name"], at["budget"], one, other)
            checked += 1
assert checked > 0

counts = pairs.groupby(["fingerprint", "budget"]).size().to_dict()
try:
    import polars
except ImportError:
    print("skipped: no polars")
else:
    table = polars.read_parquet(folder / "pairs.parquet")
    grouped = table.group_by("fingerprint", "budget").len()
    assert {(name, budget): count for name, budget, count in grouped.iter_rows()} == counts
try:
    import duckdb
except ImportError:
    print("skipped: no duckdb")
else:
    query = "select fingerprint, budget, count(*) from read_parquet(?) group by all"
    grouped = duckdb.execute(query, [str(folder / "pairs.parquet")]).fetchall()
    assert {(name, budget): count for name, budget, count in grouped} == counts
