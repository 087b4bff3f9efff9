"""Tables of documents with numbers of the study docs/example/frameworks."""

from pathlib import Path

import pandas as pd
from measured import markdown
from quoted import fixed

from actstudy.analysis.scale import rounded

TABLES = Path(__file__).resolve().parent / "example/frameworks/tables"
POINTS = 100  # per unit of accuracy


def effects() -> str:
    """What a factor changes: mean paired differences, their intervals, verdicts, typical sizes."""
    table = pd.read_csv(TABLES / "effects.csv", keep_default_na=False, na_values={"size": ""})
    rows = []
    for row in table[table["factor"] != "seed"].to_dict("records"):
        mean, low, high = (
            f"{rounded(POINTS * float(row[name]), 2):+.2f}" for name in ("mean", "low", "high")
        )
        verdict = f"{row['verdict']} {row['condition']}".strip()
        size = f"{rounded(POINTS * row['size'], 2):.2f}"
        levels = f"{row['level']} against {row['baseline']}"
        rows.append([levels, row["group"], mean, f"{low} to {high}", size, str(row["n"]), verdict])
    head = ["what differs", "in runs of", "difference, points", "interval", "typical size"]
    return markdown([*head, "pairs", "verdict"], rows)


def deviations() -> str:
    """Standard deviations of the sources in fp32, in points, with their intervals."""
    table = pd.read_csv(TABLES / "components.csv").fillna({"reason": ""})
    rows = []
    for row in table[(table["at"] == "fp32") & (table["reason"] == "")].to_dict("records"):
        sd, low, high = (POINTS * row[name] for name in ("sd", "low", "high"))
        value = (
            f"{rounded(sd, 2):.2f} ({rounded(low, 2):.2f} to {rounded(high, 2):.2f})"
            if sd > 0
            else f"at most {rounded(high, 2):.2f}"
        )
        rows.append([row["source"], value, str(row["n_seeds"])])
    return markdown(["source", "standard deviation, points", "seeds"], rows)


def speed() -> str:
    """Images per second, first-step seconds and memory, over processes that ran alone."""
    table = pd.read_csv(TABLES / "speed.csv")
    table = table.rename(columns=lambda name: name.split(" [")[0])
    rows = []
    for row in table.to_dict("records"):
        throughput = interval(row, "throughput", 0)
        ratio = "1" if pd.isna(row["ratio"]) else interval(row, "ratio", 2)
        seconds = interval(row, "compile_seconds", 1)
        memory = f"{rounded(row['memory'] / 1e9, 1):.1f}"
        rows.append([row["framework"], row["execution"], throughput, ratio, seconds, memory])
    head = ["", "execution", "images/s", "over torch, eager", "compiling steps, s", "memory, GB"]
    return markdown(head, rows)


def interval(row: dict[str, float], name: str, digits: int) -> str:
    """A value with its interval: `1.03 (0.99 to 1.06)`."""
    value, low, high = (fixed(row[f"{name}{end}"], digits, ",") for end in ("", "_low", "_high"))
    return value if value == low == high else f"{value} ({low} to {high})"
