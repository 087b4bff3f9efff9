"""What `choose` says under the table of a cell: what is out of the set, and what is doubtful."""

from collections.abc import Iterator

import pandas as pd

from actstudy.analysis import scale
from actstudy.analysis.evidence import Cell
from actstudy.analysis.markdown import escaped, listed
from actstudy.analysis.questions.choice import FEW_SEEDS
from actstudy.contract.counting import counted

VERDICTS_ASK = (
    "The set asks which activation is the best of all; the verdicts of a study ask whether each "
    "differs from the baseline, corrected for all comparisons: so one that is out of the set can "
    "be undecided there, and one in it can be worse."
)
NONE_TRAINS = "No activation is better than chance"


def not_separated(cell: Cell, rows: pd.DataFrame) -> Iterator[str]:
    """A sentence if the first of the set may be worse than the best by the margin or more."""
    inside = rows[rows["in_set"]]
    first = inside.iloc[0]
    margin = cell.settings.margin
    if not first["high"] >= margin or not rows["trains"].any():
        return
    numbers = scale.of_differences(cell.settings)
    best = inside.index[inside["high"].isna()][0]
    amount = f"{numbers.amount(first['high'])} below {escaped(best)}"
    as_good = [escaped(level) for level in inside.index[inside["high"] < margin]]
    words = f"shown as good: {listed(as_good)}" if as_good else "no other is shown as good"
    yield f"Not separated: {escaped(first.name)} may be up to {amount}; {words}."


def out_of_set(cell: Cell, rows: pd.DataFrame) -> Iterator[str]:
    """A sentence on the levels that are out of the set, and by how much."""
    numbers = scale.of_differences(cell.settings)
    words = []
    for level, row in rows[~rows["in_set"]].iterrows():
        amount = numbers.with_interval(row["shortfall"], row["low"], row["high"])
        words.append(f"{escaped(level)} {amount}, worse than {escaped(row['better'])}")
    if words:
        yield f"Out of the set, {numbers.unit} below the best: {'; '.join(words)}."
    doubles = cell.doubles
    if doubles:
        pairs = listed([f"{escaped(name)} is {escaped(other)}" for name, other in doubles.items()])
        yield f"Not compared, the same function under another name: {pairs}."
    levels = [str(level) for _, level in cell.values.values if level not in doubles]
    others = [level for level in levels if level not in rows.index]
    if others:
        yield f"Not compared, slower than the budget or not timed alone: {escaped(listed(others))}."
    unknown = set(cell.runs["level"]) - {level for _, level in cell.values.values}
    if unknown:
        yield f"Not compared, as no run ended with a number: {escaped(listed(sorted(unknown)))}."


def reservations(cell: Cell, rows: pd.DataFrame, matters: str) -> Iterator[str]:
    """What the set takes for granted, and what is wrong with the cell."""
    n = int(rows["n"].min())
    if not rows["trains"].any():
        yield f"{NONE_TRAINS}: no reason to prefer one."
    if n < FEW_SEEDS:
        yield few_seeds(counted(n, "seed"))
    if cell.settings.at_any_n:
        yield (
            "Seeds of this study are added whenever (looks: anytime): its verdicts allow for that, "
            "the set is of one look at the present seeds."
        )
    elif any_open(cell, rows):
        yield (
            "A new study has seeds that this one has not, and answers from them alone: this one "
            "with more seeds would be a second look, with more errors than promised. Its page may "
            "propose looks (looks: true) instead: its verdicts are corrected for them, this set "
            "is not."
        )
    if rows["n_collapsed"].any():
        yield "Differences are of typical runs, without those that collapsed or diverged."
    yield from of_costs(rows[rows["in_set"]])
    if matters == "memory":
        yield from of_memory(rows[rows["in_set"]])
    yield from as_good(cell, rows)


def any_open(cell: Cell, rows: pd.DataFrame) -> bool:
    """Whether more runs could separate a level in the set from the best, and it would matter."""
    inside = rows[rows["in_set"] & (rows["high"] >= cell.settings.margin)]
    return bool(inside["more_seeds"].notna().any())


def few_seeds(seeds: str) -> str:
    """What less than FEW_SEEDS seeds take for granted."""
    return (
        f"{seeds} are too few for a verdict of a study ({FEW_SEEDS} or more): the set rests "
        "on noise between seeds that is nearly normal."
    )


def of_costs(inside: pd.DataFrame) -> Iterator[str]:
    """What the seconds of the set do not say."""
    timed = inside[inside["n_timed"] > 0]
    if timed.empty:
        yield (
            "No run was timed alone: no costs. Seconds of runs of a pack are equal shares of the "
            "pack's, which say nothing of one activation."
        )
    elif len(timed) > 1 and timed["slowest_seconds"].min() >= timed["fastest_seconds"].max():
        yield "The ranges of the seconds overlap: these runs do not decide which is the cheapest."


def of_memory(inside: pd.DataFrame) -> Iterator[str]:
    """What the peak memory of the set does not say."""
    peaks = inside[["smallest_memory_bytes", "peak_memory_bytes"]].dropna()
    if len(peaks) > 1 and peaks["peak_memory_bytes"].min() >= peaks["smallest_memory_bytes"].max():
        yield "The ranges of the memory overlap: these runs do not decide which needs the least."


def as_good(cell: Cell, rows: pd.DataFrame) -> Iterator[str]:
    """A sentence per method without a network that is no worse than the best activation."""
    settings = cell.settings
    numbers = scale.of_metric(settings.metric, settings.predicts)
    best = settings.sign * (settings.sign * rows["mean"]).max()
    own = cell.references[cell.references["metric"] == settings.metric]
    for name, test in zip(own["name"], own["test"], strict=True):
        if settings.sign * test >= settings.sign * best:
            score = f"{numbers.number(test)} {numbers.unit}".strip()
            yield f"Without a network, {escaped(name)} is no worse: {score}."
