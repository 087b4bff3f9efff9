"""What separates an activation of the set of `choose` from the best, and the command that does."""

import shlex

import pandas as pd

from actstudy.analysis.evidence import Cell
from actstudy.analysis.page.next_steps import new_study, other_seeds
from actstudy.analysis.questions.power import MAX_MORE_SEEDS
from actstudy.contract import invocation


def sharpen(cell: Cell, row: pd.Series) -> str:
    """What separates a level from the best, if anything does and it matters."""
    if pd.isna(row["high"]):
        return ""
    if row["high"] < cell.settings.margin:
        return "as good: the margin is not reached"
    if pd.isna(row["more_seeds"]):
        return f"nothing feasible: over {MAX_MORE_SEEDS} more seeds (margin)"
    line = command(cell, row)
    words = new_study(len(seeds_to_run(cell, row)))
    if cell.settings.at_any_n:
        words = f"seeds to add: {row['more_seeds']:.0f}"
    return f"{words} (margin): {line}" if line else f"{words} (margin)"


def seeds_to_run(cell: Cell, row: pd.Series) -> range:
    """The seeds that separate a level from the best: all of a study at any n, else other ones."""
    seeds = {int(seed) for seed in cell.runs["seed"]}
    if cell.settings.at_any_n:
        return range(max(seeds) + 1 + int(row["more_seeds"]))
    return other_seeds(seeds, int(row["more_seeds"]))


def command(cell: Cell, row: pd.Series) -> str:
    """The command that trains what separates a level in the set from the best, or nothing.

    Of a study at any n the seeds that it lacks, else seeds that it has not: more of its own would
    be a second look (docs/statistics.md, *More seeds*).
    """
    is_open = row["in_set"] and row["high"] >= cell.settings.margin
    if not (is_open and cell.file) or pd.isna(row["more_seeds"]):
        return ""
    new = seeds_to_run(cell, row)
    seeds = f"{len(new)}" if cell.settings.at_any_n else ",".join(map(str, new))
    pairs = [f"seeds={seeds}", f"tasks={cell.task}"]
    if cell.settings.in_looks:
        pairs.append("looks=false")
    pairs += [f"{name}={place}" for name, place in cell.axes.items()]
    return f"{invocation.program()} run {shlex.quote(cell.file)} --set {shlex.join(pairs)}"
