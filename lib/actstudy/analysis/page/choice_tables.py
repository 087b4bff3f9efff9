"""What `choose` says of the cells that answer a question, as Markdown and as data."""

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd

from actstudy.analysis import scale
from actstudy.analysis.choosing import Answer
from actstudy.analysis.evidence import Cell
from actstudy.analysis.markdown import escaped, listed, markdown
from actstudy.analysis.page.choice_notes import (
    VERDICTS_ASK,
    not_separated,
    out_of_set,
    reservations,
)
from actstudy.analysis.page.choice_steps import command, sharpen
from actstudy.analysis.questions.choice import FEW_SEEDS, LEVEL, MIN_PAIRS
from actstudy.contract import registry
from actstudy.contract.counting import counted
from actstudy.contract.spec import DEFAULTS

ALWAYS_NAMED = ["dataset", "model", "init", "optimizer", "lr", "precision", "engine"]
NO_SECONDS = "not timed alone"
ORDERS = {  # what matters -> what a set is ordered by
    "accuracy": "the mean",
    "speed": "training time, or the mean if no run was timed alone",
    "memory": "peak memory",
}


def section(cell: Cell, rows: pd.DataFrame, matters: str) -> str:
    """The answer of one cell: where it was measured, the set, and what is out of it."""
    inside = rows.index[rows["in_set"]]
    lines = [{"activation": str(level), **columns(cell, rows, level)} for level in inside]
    parts = [f"## {escaped(cell.name)}", escaped(where(cell)), *not_separated(cell, rows)]
    parts += [in_words(cell, rows, matters), VERDICTS_ASK, markdown(lines)]
    notes = [*out_of_set(cell, rows), *reservations(cell, rows, matters)]
    return "\n\n".join([*parts, *notes])


def in_words(cell: Cell, rows: pd.DataFrame, matters: str) -> str:
    """How large the set of a cell is, what it promises, and its order."""
    metric = f"test {cell.settings.metric.replace('_', ' ')}"
    margin = scale.of_differences(cell.settings).amount(cell.settings.margin)
    return (
        f"The set has {rows['in_set'].sum()} of {len(rows)} activations: "
        f"{promise(int(rows['n'].min()))} it holds the one with the best {metric}. "
        f"An activation is out of it if another is better by {margin} or more, and not by chance. "
        f"It is ordered by {ORDERS[matters]}."
    )


def promise(n: int) -> str:
    """How sure a set of n seeds is to hold the best activation, as words before `it holds`."""
    if n >= FEW_SEEDS:
        return f"with {LEVEL:.0%} confidence"
    words = f"n = {n}, so no verdict (that takes {FEW_SEEDS} seeds or more): "
    if n < MIN_PAIRS:
        return f"{words}nothing is put out with fewer than {MIN_PAIRS} pairs of seeds, so"
    return f"{words}if the noise between seeds is normal, in {LEVEL:.0%} of such sets"


def where(cell: Cell) -> str:
    """What the runs of a cell share, on what they were trained, and where they were read."""
    fields = ALWAYS_NAMED
    if cell.task in registry.tasks():
        fields = [*ALWAYS_NAMED, *registry.task(cell.task)["model_fields"]]
    words = []
    for name in dict.fromkeys(fields):
        if value := cell.fields.get(name, "several"):
            words.append(f"{name}={value}")
    lengths = [
        f"{cell.fields[name]} {name}" for name in ("epochs", "steps") if cell.fields.get(name)
    ]
    devices = listed(list(filter(None, cell.devices))) or "device not kept"
    return f"{', '.join([*words, *lengths])}; {devices}. Read from {cell.place}."


def columns(cell: Cell, rows: pd.DataFrame, level: object) -> dict[str, str]:
    """What a table says of one level of the set."""
    row = rows.loc[level]
    numbers = scale.of_differences(cell.settings)
    below = "the best mean"
    if not pd.isna(row["low"]):
        below = numbers.with_interval(row["shortfall"], row["low"], row["high"])
    heading = scale.heading(cell.settings.metric, cell.settings.predicts)
    metric = scale.of_metric(cell.settings.metric, cell.settings.predicts)
    return {
        heading: metric.number(row["mean"]),
        f"below the best, {numbers.unit}": below,
        "seeds": f"{row['n']}",
        "seconds per run": seconds(row),
        f"peak memory, {'process' if cell.is_on('cpu') else 'allocated'}": memory(row),
        "collapsed": collapsed(row),
        "to sharpen": sharpen(cell, row),
    }


def collapsed(row: pd.Series) -> str:
    """How many runs collapsed or diverged; of a level that does not train, that it does not."""
    if not row["trains"]:
        return "most are at chance"
    return f"{row['n_collapsed']} of {row['n_runs']}"


def seconds(row: pd.Series) -> str:
    """The median and the range of the training seconds of runs timed alone."""
    if not row["n_timed"]:
        return NO_SECONDS
    ends = f"{row['fastest_seconds']:.3g} to {row['slowest_seconds']:.3g}"
    return f"{row['train_seconds']:.3g} ({ends}, {counted(int(row['n_timed']), 'run')})"


def memory(row: pd.Series) -> str:
    """The largest peak memory of the runs."""
    bytes_ = row["peak_memory_bytes"]
    return "not measured" if math.isnan(bytes_) else f"{bytes_ / 1e9:.3g} GB"


def default_init(answers: Sequence[Answer], fields: Collection[str]) -> str:
    """A paragraph if no init was asked for and no answer has the one that runs have by default."""
    own = DEFAULTS["init"]
    inits = [cell.fields.get("init", own) for cell, _ in answers]
    if "init" in fields or own in inits:
        return ""
    named = listed([*dict.fromkeys(map(escaped, inits))])
    return (
        f"\nWithout --init any init answers: here {named} alone, none with init={own}, "
        "which a run has if it names none.\n"
    )


def as_data(cell: Cell, rows: pd.DataFrame) -> dict[str, Any]:
    """An answer for JSON: missing numbers are null."""
    levels = []
    for level, row in rows.iterrows():
        values = {name: _plain(value) for name, value in row.items()}
        levels.append({"activation": level, **values, "command": command(cell, row)})
    return {
        "study": cell.study,
        "file": cell.file,
        "read_from": cell.place,
        "task": cell.task,
        "group": cell.group,
        "metric": cell.settings.metric,
        "unit": cell.settings.compared_unit,
        "devices": cell.devices,
        "fields": cell.fields,
        "activations": levels,
        "same_as": cell.doubles,
    }


def _plain(value: Any) -> Any:
    """A cell of a table as JSON takes it."""
    if not isinstance(value, str) and pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
