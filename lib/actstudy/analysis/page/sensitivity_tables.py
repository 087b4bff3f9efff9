"""What moves the result of a task that crosses recipes, and which verdicts hold with all."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from actstudy.analysis import scale
from actstudy.analysis.markdown import cell_name, group_head, listed, markdown, prose
from actstudy.analysis.questions.components import ALL_AXES, ONE_LEVEL
from actstudy.analysis.questions.factors import crosses_framework
from actstudy.analysis.questions.procedure import MIN_SEEDS, TOO_FEW
from actstudy.analysis.questions.recipe_verdicts import DEPENDENT
from actstudy.analysis.tables import Tables

ANOTHER_SEED = "another seed"
MAX_NAMED = 3  # recipes of one sign that a table names
MAX_ROWS = 24
MAX_READINGS = 12  # of levels that the answer names; of more they are counted
NOT_SAID = "Which source moves the result most is not said"


def section(tables: Tables, task: str) -> dict[str, Any]:
    """The sentences and the table of a task's summary; both empty if it crosses no recipes."""
    readings = tables.of("recipe_verdicts", task)
    sources = tables.of("components", task)
    if crosses_framework(tables.plan.tasks[task]) or sources.empty:
        return {"sentences": [], "table": ""}
    texts = []
    own = sources[sources["source"] == tables.plan.compare]
    if len(own) > 1 and (own["n_seeds"] < MIN_SEEDS).all():
        texts.append(f"{NOT_SAID}: {few_seeds(own['n_seeds'].max())} at most.")
    else:
        for block, part in sources.groupby("block", sort=False):
            texts += [f"{group_head(str(block))}{text}" for text in moved(tables, task, part)]
    rows = [row_of(tables, row) for row in readings.to_dict("records")]
    return {"sentences": texts, "table": first_rows(rows, "recipe_verdicts")}


def few_seeds(n: int) -> str:
    """That standard deviations take more than n seeds."""
    return f"it takes {MIN_SEEDS} seeds with a typical run in every cell, there are {n}"


def first_rows(rows: list[dict[str, Any]], name: str) -> str:
    """The first MAX_ROWS rows as Markdown, with a sentence on the file of the others."""
    text = markdown(rows[:MAX_ROWS], "")
    n_more = len(rows) - MAX_ROWS
    if n_more <= 0:
        return text
    are = "row more is" if n_more == 1 else "rows more are"
    return f"{text}\n\n{n_more} {are} in tables/{name}.csv."


def part(tables: Tables, task: str) -> str:
    """The same as Markdown."""
    own = section(tables, task)
    if not own["sentences"]:
        return ""
    lines = [f"- {prose(sentence)}" for sentence in own["sentences"]]
    return "\n".join(["### What moves the result", "", *lines, "", own["table"]])


def moved(tables: Tables, task: str, sources: pd.DataFrame) -> Iterator[str]:
    """Which source moves the result most, of one block's `components`, and what is left out.

    One is called larger only if the intervals do not overlap.
    """
    size = scale.of_differences(tables.plan.tasks[task])
    by_source = {row["source"]: row for row in sources.to_dict("records")}
    own = by_source[tables.plan.compare]
    n = int(own["n_seeds"])
    if own["reason"] == ONE_LEVEL:
        return
    if n < MIN_SEEDS or pd.isna(own["sd"]):
        yield f"{NOT_SAID}: {few_seeds(n) if n < MIN_SEEDS else own['reason']}."
    else:
        texts = [f"{tables.plan.compare} {deviation(own, size)}"]
        for source in rivals(by_source):
            row = by_source[source]
            word = "not shown to be more or less"
            if row["low"] > own["high"]:
                word = "more"
            elif row["high"] < own["low"]:
                word = "less"
            texts.append(f"{source} {deviation(row, size)}, {word}")
        yield f"Standard deviations: {'; '.join(texts)} (n = {n} seeds)."
    if own["left_out"]:
        yield f"Left out of these, as a cell has no typical run: {own['left_out']}."


def rivals(by_source: dict[str, dict[Any, Any]]) -> list[str]:
    """The sources that the compared one stands beside: the recipe or its axes, and the seed."""
    names = [name for name in by_source if " x " not in name]
    names = [name for name in names[1:] if name not in ("seed", "residual", ANOTHER_SEED)]
    names = [ALL_AXES] if ALL_AXES in names else names
    there = [name for name in [*names, ANOTHER_SEED] if pd.notna(by_source[name]["sd"])]
    return there


def deviation(row: dict[Any, Any], size: scale.Scale) -> str:
    """A standard deviation with its interval and unit."""
    return f"{size.deviation(row['sd'], row['low'], row['high'])} {size.unit}".strip()


def row_of(tables: Tables, row: dict[Any, Any]) -> dict[str, Any]:
    """A row of `recipe_verdicts` for the page."""
    size = scale.of_differences(tables.plan.tasks[row["task"]])
    unit = f", {size.unit}" if size.unit else ""
    has_mean = pd.notna(row["mean"])
    cells: dict[str, Any] = {}
    if row["block"]:
        cells["at"] = row["block"]
    cells |= {
        tables.plan.compare: row["level"],
        f"mean difference from {row['baseline']}{unit}": size.signed(row["mean"]),
        "interval": size.interval(row["low"], row["high"]) if has_mean else "none",
        "with one recipe": size.interval(row["lowest"], row["highest"]),
        "better": signs(row, "better"),
        "worse": signs(row, "worse"),
        "n": row["n"],
        "over all recipes": row["reading"],
    }
    return cells


def signs(row: dict[Any, Any], word: str) -> str:
    """With how many recipes a level is shown to be better, or worse, and which if they are few."""
    n = int(row[f"n_{word}"])
    text = f"{n} of {row['n_recipes']}"
    if 0 < n <= MAX_NAMED:
        text += f" ({row[f'{word}_in']})"
    return text


def deviations(tables: Tables, task: str) -> str:
    """All standard deviations of a task that crosses recipes; empty if it does not."""
    if crosses_framework(tables.plan.tasks[task]):
        return ""
    size = scale.of_differences(tables.plan.tasks[task])
    rows = []
    for row in tables.of("components", task).to_dict("records"):
        unit = f", {size.unit}" if size.unit else ""
        cells = {"at": row["block"]} if row["block"] else {}
        cells |= {"source": row["source"], "levels": row["levels"]}
        text = row["reason"] or size.deviation(row["sd"], row["low"], row["high"])
        rows.append({**cells, f"standard deviation{unit}": text, "n": row["n_seeds"]})
    return first_rows(rows, "components")


def over_recipes(tables: Tables, task: str) -> str:
    """A sentence that ends the answer, on all recipes together; empty if the task has but one.

    Levels with too few seeds are left out of it; those that lack a recipe are not.
    """
    readings = tables.of("recipe_verdicts", task)
    readings = readings[readings["reading"] != TOO_FEW]
    if readings.empty:
        return ""
    n = " to ".join(f"{n}" for n in sorted({readings["n"].min(), readings["n"].max()}))
    head = f" Over all recipes (n = {n} seeds)"
    if len(readings) > MAX_READINGS:
        counts = readings["reading"].value_counts()
        texts = [f"{count} {words}" for words, count in counts.items()]
        return f"{head}, of {len(readings)} comparisons: {'; '.join(texts)}."
    by_reading: dict[str, list[str]] = {}
    for row in readings.to_dict("records"):
        name = cell_name(row["level"], row["block"])
        words = row["reading"]
        if words == DEPENDENT:
            words += f" (better with {signs(row, 'better')}, worse with {signs(row, 'worse')})"
        by_reading.setdefault(words, []).append(name)
    texts = [f"{listed(names)} {words}" for words, names in by_reading.items()]
    return f"{head}: {'; '.join(texts)}."
