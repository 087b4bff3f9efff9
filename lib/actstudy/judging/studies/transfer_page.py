"""Whether small studies predict large ones, as Markdown: the answer first."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from actstudy.analysis import scale
from actstudy.analysis.markdown import group_head, listed, markdown, prose
from actstudy.contract.counting import counted
from actstudy.judging.studies import recipes
from actstudy.judging.studies.beside import Study

ALPHA = 0.05  # of a row's test against an order by chance
PREDICTS = "orders the levels as"
NOT_SHOWN = "is not shown to order the levels as"
MAX_CELLS = 24
HOW = (
    "tau is Kendall's tau-b of the levels' mean results: 1 for one order, 0 for chance and -1 for "
    "the reverse. Its 95% interval resamples seeds in each study, so it is of these levels; p is "
    "the share of all orders of the large study that would agree as well, and a row whose p is at "
    "most 5% predicts more than chance would. That p is exact if levels are equally noisy and the "
    "studies share neither seeds nor test data; else chance alone reaches 5% more often. "
    "Noise lowers tau: a low one may be a lack of seeds. "
    "Signs are compared where both studies call the level better or worse than the same baseline, "
    "and nothing contradicts them. "
    "Nothing is corrected for the number of rows."
)
HOW_SIZES = (
    "The effect of a level is fitted, seed by seed, with a slope per doubling of each size, "
    "without the cells in which a size is the largest; these are then predicted. Interval: where "
    "the observed mean lies in 95% of studies if the effect is linear in the doublings (Student, "
    "over seeds). Held-out cells share their runs' seeds, so their errors are not independent, and "
    "the share inside of one study says little of whether the effect is linear."
)


def page(studies: Sequence[Study], table: pd.DataFrame, notes: Sequence[str]) -> str:
    """Small studies beside the last one."""
    large = studies[-1]
    lines = [f"# Do small studies predict {prose(large.name)}?", ""]
    lines += [f"**{answer(table)}**", "", HOW, ""]
    lines += [markdown([row_of(row) for row in table.to_dict("records")]), ""]
    verdicts = [verdicts_of(row) for row in table.to_dict("records") if row["verdicts"]]
    if verdicts:
        lines += ["Verdicts, of the small study - of the large one:", "", *verdicts, ""]
    for note in notes:
        lines += [f"- left out: {prose(note)}"]
    lines += ["", "## What differs", ""]
    for small in studies[:-1]:
        lines += [f"### {prose(large.name)} against {prose(small.name)}", ""]
        rows: list[dict[str, str]] = []
        for task in dict.fromkeys(table.loc[table["small"] == small.name, "task"]):
            rows += recipes.differences(small, large, task)
        lines += [markdown(rows, "Nothing of their run fields differs."), ""]
    return "\n".join(lines).rstrip() + "\n"


def answer(table: pd.DataFrame) -> str:
    """Whether the smaller studies predict the large one, in sentences."""
    texts = []
    for (small, large), rows in table.groupby(["small", "large"], sort=False):
        predicted = rows["p"] <= ALPHA
        n_agree = int(rows["n_agree"].sum())
        n_decided = int(rows["n_decided"].sum())
        signs = "no contrast is decided in both"
        if n_decided:
            signs = f"{n_agree} of {n_decided} contrasts that are decided in both have one sign"
        names = [named(row) for row in rows[predicted].to_dict("records")]
        if names:
            start = f"{small} {PREDICTS} {large} does in {listed(names)}, more than chance would"
            others = [named(row) for row in rows[~predicted].to_dict("records")]
            rest = f"; in {listed(others)} that is not shown" if others else ""
            texts.append(f"{start}{rest}; {signs}.")
        else:
            texts.append(f"{small} {NOT_SHOWN} {large} does; {signs}.")
    return " ".join(prose(text) for text in texts)


def named(row: dict[Any, Any]) -> str:
    """A task with its groups: `mlp`, `mlp (depth=2)`, of other names in both `mlp (a and b)`."""
    names = [row["group"], row.get("group_large", row["group"])]
    groups = listed(list(dict.fromkeys(filter(None, names))))
    return f"{row['task']} ({groups})" if groups else str(row["task"])


def row_of(row: dict[Any, Any]) -> dict[str, Any]:
    """A row of `transfers` for the page."""
    tau = "none"
    if math.isfinite(row["tau"]):
        tau = f"{row['tau']:.2f}"
        if math.isfinite(row["tau_low"]):
            tau += f" ({row['tau_low']:.2f} to {row['tau_high']:.2f})"
    return {
        "small": row["small"],
        "task": named(row),
        "levels": row["n_levels"],
        "seeds, small and large": f"{row['n_small']}, {row['n_large']}",
        "tau (interval)": tau,
        "p, by chance": f"{row['p']:.4f}" if math.isfinite(row["p"]) else "none",
        "best in small": row["best_small"],
        "best in large": row["best_large"],
        "decided in both": f"{row['n_decided']} of {row['n_compared']}",
        "of one sign": agreement(row),
    }


def agreement(row: dict[Any, Any]) -> str:
    """How many contrasts that are decided in both have one sign: `3 of 3 (44% to 100%)`."""
    if not row["n_decided"]:
        return "none to compare"
    ends = f"{row['agree_low']:.0%} to {row['agree_high']:.0%}"
    return f"{row['n_agree']} of {row['n_decided']} ({ends})"


def verdicts_of(row: dict[Any, Any]) -> str:
    """A list item: how often which pair of verdicts there is."""
    return f"- {prose(row['small'])}, {prose(named(row))}: {prose(row['verdicts'])}"


def sizes_page(study: Study, slopes: pd.DataFrame, cells: pd.DataFrame) -> str:
    """One study's fit by size, and its check on the cells that were held out."""
    lines = [f"# Do small sizes predict large ones in {prose(study.name)}?", ""]
    lines += [f"**{check(study, cells)}**", "", HOW_SIZES, "", "## Per doubling", ""]
    lines += [markdown([slope_of(study, row) for row in slopes.to_dict("records")]), ""]
    lines += ["## Held-out sizes", ""]
    rows = [cell_of(study, row) for row in cells.head(MAX_CELLS).to_dict("records")]
    lines += [markdown(rows), ""]
    if len(cells) > MAX_CELLS:
        lines += [f"{counted(len(cells) - MAX_CELLS, 'more cell')}: `--csv FILE`.", ""]
    return "\n".join(lines).rstrip() + "\n"


def check(study: Study, cells: pd.DataFrame) -> str:
    """How many held-out effects lie within their interval, and how large the errors are."""
    texts = []
    for task, part in cells.groupby("task", sort=False):
        size = scale.of_differences(study.plan.tasks[str(task)])
        n = len(part)
        n_inside = int(part["is_inside"].sum())
        error = rms(part["error"])
        before = rms(part["observed"] - part["as_before"])
        none = rms(part["observed"])
        best = min(error, before, none)
        which = "the fit errs least"
        if best < error:
            which = "the effect at the largest fitted size errs less than the fit"
            if best == none:
                which = "to expect no effect errs less than the fit"
        texts.append(
            f"{group_head(str(task))}{n_inside} of {n} held-out effects lie within their interval; "
            f"{which} (root mean square errors {size.amount(error)}, with the effect "
            f"as it was before {size.amount(before)}, without any effect {size.amount(none)})."
        )
    return " ".join(prose(text) for text in texts)


def rms(errors: pd.Series) -> float:
    """The root mean square of errors."""
    return float(np.sqrt((errors**2).mean()))


def slope_of(study: Study, row: dict[Any, Any]) -> dict[str, Any]:
    """A row of slopes for the page."""
    size = scale.of_differences(study.plan.tasks[row["task"]])
    unit = f", {size.unit}" if size.unit else ""
    return {
        "task": named({"task": row["task"], "group": row["block"]}),
        "effect of": f"{row['level']} against {row['baseline']}",
        "doubling of": row["axis"],
        f"changes it by{unit}": size.signed(row["slope"]),
        "interval": size.interval(row["low"], row["high"]),
        "n": row["n"],
    }


def cell_of(study: Study, row: dict[Any, Any]) -> dict[str, Any]:
    """A held-out cell for the page."""
    size = scale.of_differences(study.plan.tasks[row["task"]])
    unit = f", {size.unit}" if size.unit else ""
    return {
        "task": named({"task": row["task"], "group": row["block"]}),
        "effect of": row["level"],
        "at": row["cell"],
        f"predicted{unit}": size.signed(row["predicted"]),
        "interval": size.interval(row["low"], row["high"]),
        "observed": size.signed(row["observed"]),
        "inside": "yes" if row["is_inside"] else "no",
        "as before": size.signed(row["as_before"]),
        "n": row["n"],
    }
