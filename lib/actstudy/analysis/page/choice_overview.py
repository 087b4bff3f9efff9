"""What `choose` says of several cells that answer a question, as Markdown."""

from collections import Counter
from collections.abc import Iterator, Sequence

import pandas as pd

from actstudy.analysis import scale
from actstudy.analysis.choosing import Answer
from actstudy.analysis.evidence import Cell
from actstudy.analysis.markdown import escaped, listed, markdown, metric_name
from actstudy.analysis.page.choice_notes import NONE_TRAINS, few_seeds
from actstudy.analysis.page.choice_tables import ORDERS, collapsed, section
from actstudy.analysis.questions.choice import FEW_SEEDS, LEVEL

MAX_WHOLE = 4  # cells that have a table of their own each
MAX_LINES = 24  # cells that have a row of their own each


def page(answers: Sequence[Answer], matters: str = "speed") -> str:
    """All answers: a section per cell, of several cells a row per cell, of many one per study."""
    if len(answers) <= MAX_WHOLE:
        return "\n\n".join(section(cell, rows, matters) for cell, rows in answers) + "\n"
    sure = f" with {LEVEL:.0%} confidence"
    if max(int(rows["n"].min()) for _, rows in answers) < FEW_SEEDS:
        sure = ", if the noise between seeds is normal"
    text = f"{len(answers)} cells answer, each by itself: its set holds the best activation{sure}. "
    if len(answers) > MAX_LINES:
        text += f"With more flags, {MAX_LINES} cells or fewer, each has a row"
        lines = [line_of_study(group) for group in by_study(answers)]
    else:
        text += f"Sets are ordered by {ORDERS[matters]}. "
        text += f"With more flags, {MAX_WHOLE} cells or fewer, each has a table"
        lines = [line(cell, rows) for cell, rows in answers]
    text += " with differences and costs; --json has all of them."
    return "\n\n".join([text, markdown(lines), *under_overview(answers)]) + "\n"


def by_study(answers: Sequence[Answer]) -> list[list[Answer]]:
    """The answers of each study and task together."""
    groups: dict[tuple[str, str], list[Answer]] = {}
    for cell, rows in answers:
        groups.setdefault((cell.study, cell.task), []).append((cell, rows))
    return list(groups.values())


def line_of_study(answers: Sequence[Answer]) -> dict[str, str]:
    """A row for the cells of one study and task: how often each activation is in the set."""
    cell, _ = answers[0]
    trained = [rows for _, rows in answers if rows["trains"].any()]
    counts = Counter[str]()
    for rows in trained:
        counts.update(map(str, rows.index[rows["in_set"]]))
    levels = [f"{level} {n}" for level, n in counts.most_common()]
    if len(trained) < len(answers):
        levels.append(f"none trains in {len(answers) - len(trained)}")
    return {
        "study": f"{cell.study}, {cell.task}",
        "cells": f"{len(answers)}",
        "seeds": f"{min(int(rows['n'].min()) for _, rows in answers)}",
        "cells with it in the set": "; ".join(levels),
        "flags that tell its cells apart": " ".join(f"--{name}" for name in differing(answers)),
    }


def differing(answers: Sequence[Answer]) -> list[str]:
    """The run fields in which the cells of some answers differ."""
    seen: dict[str, set[str]] = {}
    for cell, _ in answers:
        for name, value in cell.fields.items():
            seen.setdefault(name, set()).add(str(value))
    return [name for name, values in seen.items() if len(values) > 1]


def line(cell: Cell, rows: pd.DataFrame) -> dict[str, str]:
    """A cell's row of an overview."""
    inside = "; ".join(short(level, row) for level, row in rows[rows["in_set"]].iterrows())
    return {
        "cell": cell.name,
        "seeds": f"{int(rows['n'].min())}",
        "activations": f"{len(rows)}",
        "best mean": best_mean(cell, rows),
        "in the set": inside if rows["trains"].any() else NONE_TRAINS,
    }


def best_mean(cell: Cell, rows: pd.DataFrame) -> str:
    """The best mean metric of a cell, to compare cells of one data set with each other."""
    numbers = scale.of_metric(cell.settings.metric, cell.settings.predicts)
    best = cell.settings.sign * (cell.settings.sign * rows["mean"]).max()
    return f"{numbers.number(best)} {numbers.unit or metric_name(cell.settings.metric)}"


def short(level: object, row: pd.Series) -> str:
    """A level of the set, and in brackets what is wrong with its runs."""
    if row["trains"] and not row["n_collapsed"]:
        return str(level)
    runs = collapsed(row)
    return f"{level} ({f'{runs} collapsed' if row['trains'] else runs})"


def under_overview(answers: Sequence[Answer]) -> Iterator[str]:
    """Where the cells of an overview were measured, and how many have few seeds."""
    places = dict.fromkeys(
        f"{cell.study}, {cell.task}: {cell.fields.get('dataset', 'several data sets')}; "
        f"{listed(cell.devices)}; read from {cell.place}"
        for cell, _ in answers
    )
    yield "\n".join(f"- {escaped(place)}" for place in places)
    n_few = sum(int(rows["n"].min()) < FEW_SEEDS for _, rows in answers)
    if n_few:
        yield few_seeds(f"The seeds of {n_few} of {len(answers)} cells")
