"""The page on which to decide: all answers of `choose` over the cells that the page carries."""

import html
import itertools
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from actstudy.analysis import choosing, evidence, stored
from actstudy.analysis.evidence import FIELDS, Cell
from actstudy.analysis.page import choice_notes, choice_overview, choice_steps, choice_tables
from actstudy.analysis.questions import choice
from actstudy.analysis.tables import Tables
from actstudy.contract import invocation, nets
from actstudy.study.config import RunFields
from actstudy.study.tries import results_folder

MAX_ANSWERS = 250  # of a page, each in every order
SHARPEN = "to sharpen"  # the column of `choose` that is a list of its own here
FLAGS = [name for name in RunFields.model_fields if name in FIELDS]  # flags of `choose`
INTRODUCTION = (
    "Each cell of runs that differ in activation and seed alone answers by itself: its set holds "
    f"the activation with the best mean test metric, from {choice.FEW_SEEDS} seeds on with 95% "
    "confidence; from fewer only if the noise between seeds is normal, which is no verdict. The "
    "answers are those of the command choose, computed when this page was written; the form looks "
    "them up."
)
NO_BUDGET = "answers within a budget of seconds, which the command gives"


class Decision(NamedTuple):
    """What the form looks up, and what is left out of it in a sentence, or nothing."""

    content: dict[str, Any]
    left_out: str = ""


def of_tables(tables: Tables) -> list[Cell]:
    """The cells of a study's own tables; none if these do not say what each run was.

    Of many those that `decision` takes, and one more.
    """
    runs = tables.frames["runs"]
    if not set(stored.NEEDED) <= set(runs):
        return []
    plan = tables.plan
    overrides = dict(pair.split("=", 1) for pair in plan.overrides)
    place = Path(results_folder(plan.study, overrides), "tables")
    references = tables.frames["references"]
    several = evidence.of_tables(plan, plan.file, place, stored.prepared(runs), references)
    return evidence.once(itertools.islice(several, MAX_ANSWERS + 1))


def decision(cells: Sequence[Cell], files: Sequence[str], limit: int = MAX_ANSWERS) -> Decision:
    """What the form of the page looks up, of one cell or more.

    files: of the studies that `choose` answers from alone. limit: of answers. Of many cells those
    within a budget are left out, then the last cells.
    """
    costs = [choosing.costs_of(cell) for cell in cells]
    limits = [budgets(frame) for frame in costs]
    left_out = ""
    if len(cells) + sum(map(len, limits)) > limit:
        limits = [[] for _ in cells]
        left_out = NO_BUDGET
    if len(cells) > limit:
        left_out += f"; of the cells to decide from all but the first {limit:,}"
    named_devices = set(itertools.chain.from_iterable(cell.devices for cell in cells))
    devices = ["cpu", "cuda", *sorted(named_devices)]
    rows = []
    for cell, frame, seconds in list(zip(cells, costs, limits, strict=True))[:limit]:
        of_cell = {"limits": seconds, "answers": answers(cell, frame, seconds)}
        of_cell["over_budget"] = choosing.over_budget(frame)
        rows.append({**named(cell, devices), **of_cell})
    shared = {name: value for name, value in cells[0].fields.items() if is_shared(name, cells)}
    for row in rows:
        row["fields"] = {name: text for name, text in row["fields"].items() if name not in shared}
    content = {
        "command": f"{invocation.program()} choose --config {shlex.join(files)}",
        "cells": rows,
        "shared": shared,
        "fields": {name: texts for name in FLAGS if (texts := values(name, cells))},
        "tasks": list(dict.fromkeys(cell.task for cell in cells)),
        "devices": devices,
        "has_budget": left_out == "",
        "level": choice.LEVEL,
    }
    return Decision(content, left_out)


def is_shared(name: str, cells: Sequence[Cell]) -> bool:
    """Whether a run field has one value in all cells."""
    return len({cell.fields.get(name) for cell in cells}) == 1


def values(name: str, cells: Sequence[Cell]) -> list[str]:
    """The texts that a run field has in some cells, in their order; models that have a name."""
    there = dict.fromkeys(cell.fields[name] for cell in cells if name in cell.fields)
    if name != "model":
        return list(there)
    return [text for text in there if text in nets.known() or ":" in text]


def named(cell: Cell, devices: Sequence[str]) -> dict[str, Any]:
    """What a cell is, and on which of some devices."""
    return {
        "name": cell.name,
        "study": cell.study,
        "group": cell.group,
        "task": cell.task,
        "fields": dict(cell.fields),
        "devices": [place for place, device in enumerate(devices) if cell.is_on(device)],
        "device_words": " + ".join(cell.devices),
        "where": choice_tables.where(cell),
    }


def budgets(costs: pd.DataFrame) -> list[float]:
    """The seconds at which one more activation of a cell is within a budget, ascending."""
    return sorted(set(costs["train_seconds"].dropna().astype(float)))


def answers(
    cell: Cell, costs: pd.DataFrame, seconds: Sequence[float]
) -> list[dict[str, Any] | None]:
    """The answer of a cell without a budget, then from each number of seconds on.

    None if no activation is within it; else as `answer` gives it.
    """
    several = []
    for budget in [None, *seconds]:
        rows = choosing.unordered(cell, costs, budget)
        several.append(None if rows is None else answer(cell, rows))
    return several


def answer(cell: Cell, rows: pd.DataFrame) -> dict[str, Any]:
    """One answer in plain words.

    table: what `choose` says per activation of the set; sharpen: what would separate each from the
    best, commands: that does; orders: per thing that matters.
    """
    inside = rows.index[rows["in_set"]]
    columns = {str(level): choice_tables.columns(cell, rows, level) for level in inside}
    sharpen = {level: words.pop(SHARPEN) for level, words in columns.items()}
    return {
        "n": len(rows),
        "heads": list(next(iter(columns.values()))),
        "table": {level: list(words.values()) for level, words in columns.items()},
        "sharpen": {level: words for level, words in sharpen.items() if words},
        "commands": {str(level): choice_steps.command(cell, rows.loc[level]) for level in inside},
        "orders": {matters: order(cell, rows, matters) for matters in choice.ORDERS},
    }


def order(cell: Cell, rows: pd.DataFrame, matters: str) -> dict[str, Any]:
    """An answer in one order.

    levels: all of them, those of the set first; line: the cell's row among many; words: the set in
    sentences; out: who is not in it or was not compared; doubts: what it takes for granted.
    """
    ordered = choice.ordered(rows, matters)
    words = [
        choice_tables.in_words(cell, ordered, matters),
        choice_notes.VERDICTS_ASK,
        *choice_notes.not_separated(cell, ordered),
    ]
    return {
        "levels": list(map(str, ordered.index)),
        "line": choice_overview.line(cell, ordered),
        "words": plain(words),
        "out": plain(choice_notes.out_of_set(cell, ordered)),
        "doubts": plain(choice_notes.reservations(cell, ordered, matters)),
    }


def plain(sentences: Iterable[str]) -> list[str]:
    """Sentences of Markdown without any mark as plain text."""
    return [html.unescape(sentence) for sentence in sentences]
