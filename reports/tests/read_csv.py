"""Reads report.csv with Python's csv module and with pandas, and compares both with results.json beside it."""

import csv
import json
import sys
from pathlib import Path

import pandas

folder = Path(sys.argv[1])
results = json.loads((folder / "results.json").read_text(encoding="utf-8"))

with open(folder / "report.csv", newline="", encoding="utf-8") as file:
    rows = list(csv.DictReader(file, strict=True))
assert all(None not in row and None not in row.values() for row in rows), "rows as wide as the head"
for row in rows:
    for column, cell in row.items():
        formula = cell[:1] in "=+-@\t\r\n" and cell != ""
        number = cell.lstrip("+-")[:1].isdigit()
        assert not formula or number, (column, cell)


def told(name):
    """The name as the file has it."""
    shown = "".join(c if c in "\n\r\t" or ord(c) >= 32 else "\\u{%x}" % ord(c) for c in name)
    return "'" + shown if shown[0] in "=+-@\t\r\n" else shown


table = pandas.read_csv(
    folder / "report.csv",
    dtype={"fingerprint": str, "parameter": str},
    keep_default_na=False,
    na_values=[""],
    float_precision="round_trip",
)
assert len(table) == len(rows)
found = 0
for fingerprint in results["fingerprints"]:
    for at in fingerprint["budgets"]:
        of_budget = (table.fingerprint == told(fingerprint["name"])) & (table.budget == at["budget"])
        own = table[of_budget & (table.table == "overall") & (table.protocol == results["evaluation"]["protocol"])]
        for statistic in ["tpr", "tpr_randomised", "fpr"]:
            row = own[own.statistic == statistic]
            assert len(row) == 1 and row["mean"].item() == at[statistic]["mean"], (fingerprint["name"], statistic)
            found += 1
        exact = own[own.statistic == "tpr_randomised"]
        ci = at["tpr_randomised"]["ci95"]
        assert ci is None or [exact.ci_low.item(), exact.ci_high.item()] == ci
        best = at.get("against_best")
        if best is not None:
            assert exact.tied_with_best.item() == best["tied_with_best"]
            assert exact.difference.item() == best["difference"]
        kinds = table[of_budget & (table.table == "variation") & (table.statistic == "tpr")]
        assert kinds["mean"].tolist() == [row["tpr"]["mean"] for row in at["variations"]]
        assert kinds.positives.tolist() == [row["positives"] for row in at["variations"]]
assert found > 0
