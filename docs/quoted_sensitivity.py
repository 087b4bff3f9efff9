"""What moves the result of a small MLP, from the tables of docs/example/sensitivity."""

import pandas as pd
from measured import markdown
from quoted import DOCS

from actstudy.analysis.scale import rounded

TABLES = DOCS / "example/sensitivity/tables"
TRIALS = (1, 2, 4, 8, 18)


def table_of(name: str) -> pd.DataFrame:
    """A kept table; empty texts are texts."""
    return pd.read_csv(TABLES / f"{name}.csv").rename(columns=lambda head: head.split(" [")[0])


def points(value: float) -> str:
    """A share in points with two decimals."""
    return f"{rounded(100 * value, 2):.2f}"


def sources() -> str:
    """The standard deviation of each source, in points of accuracy."""
    rows = []
    for row in table_of("components").to_dict("records"):
        interval = f"{points(row['low'])} to {points(row['high'])}"
        rows.append([row["source"], points(row["sd"]), interval, str(row["n_seeds"])])
    return markdown(["source", "standard deviation, points", "95% interval", "n"], rows)


def readings() -> str:
    """Each activation over all recipes, and where it is better and worse."""
    rows = []
    for row in table_of("recipe_verdicts").to_dict("records"):
        interval = f"{rounded(100 * row['low'], 2):+.2f} to {rounded(100 * row['high'], 2):+.2f}"
        spread = (
            f"{rounded(100 * row['lowest'], 2):+.2f} to {rounded(100 * row['highest'], 2):+.2f}"
        )
        counts = [f"{row[name]} of {row['n_recipes']}" for name in ("n_better", "n_worse")]
        mean = f"{rounded(100 * row['mean'], 2):+.2f} ({interval})"
        rows.append([row["level"], mean, spread, *counts, str(row["n"]), f"**{row['reading']}**"])
    head = ["against relu, points", "mean over all recipes (95% interval)", "with one recipe"]
    return markdown([*head, "better", "worse", "n", "over all recipes"], rows)


def trials() -> str:
    """Expected test accuracy of the best on val of k recipes, in percent."""
    table = table_of("best_of")
    rows = []
    for level, own in table.groupby("level", sort=False):
        by_k = own.set_index("k")
        entries = []
        for k in TRIALS:
            row = by_k.loc[k]
            ends = f"{points(row['low'])} to {points(row['high'])}"
            entries.append(f"{points(row['value'])} ({ends})")
        rows.append([str(level), *entries, str(own["n_seeds"].iloc[0])])
    return markdown(["best of k recipes, %", *(f"k = {k}" for k in TRIALS), "n"], rows)
