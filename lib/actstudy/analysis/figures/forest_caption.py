"""What the caption of a forest plot says: its marks, its intervals, which runs its rows are of."""

import pandas as pd

from actstudy.analysis.figures.style import seeds
from actstudy.analysis.markdown import cell_name, listed
from actstudy.analysis.questions.contrasts import OPEN_VERDICTS, most_needed
from actstudy.analysis.questions.procedure import UNDECIDED
from actstudy.analysis.questions.reservations import counts_diverged
from actstudy.analysis.tables import Tables
from actstudy.contract.counting import counted
from actstudy.contract.plan import TaskPlan

MAX_CELLS_NAMED = 4  # with diverged runs that count


def baselines(tables: Tables) -> str:
    """The levels that the others are compared with."""
    return ", ".join(dict.fromkeys(task.baseline for task in tables.plan.tasks.values()))


def caption(tables: Tables, contrasts: pd.DataFrame, off_axis: bool) -> str:
    """What the marks mean, the level of the intervals, and the seeds per row."""
    plans = list(tables.plan.tasks.values())
    intervals = listed(list(dict.fromkeys(map(interval_name, plans))), "or")
    text = (
        f"Mean paired difference from {baselines(tables)} with {intervals} "
        f"{describe_levels(contrasts)}, {seeds(contrasts['n'].astype(int))} per row, at the right "
        "its verdict. The band is the margin: differences inside it do not matter. Marks are "
        "filled if there is a verdict and hollow if there is none yet; small dots are single "
        "seeds, equal ones above each other."
    )
    ends = contrasts[["low", "high"]].astype(float)
    excludes_zero = (ends["low"] > 0) | (ends["high"] < 0)
    if (excludes_zero & contrasts["verdict"].isin(OPEN_VERDICTS)).any():
        text += (
            " An interval may exclude zero and the row be open: the interval is of its row alone, "
            f"the verdict allows for all rows of the task and needs {most_needed(contrasts)} seeds."
        )
    if (contrasts["verdict"] == UNDECIDED).any():
        text += (
            " More seeds: how many would see a difference of the margin, or one as large as the "
            "mean seen here, with a power of 0.8."
        )
    if off_axis:
        text += " Arrows: values beyond the axis, written beside the verdict."
    if (contrasts["n"] == 1).any():
        text += " One seed alone has no interval."
    return text + of_collapsed(contrasts)


def interval_name(settings: TaskPlan) -> str:
    """What the intervals of a task's differences are."""
    return "intervals that hold at all n at once" if settings.at_any_n else "Student t intervals"


def of_collapsed(contrasts: pd.DataFrame) -> str:
    """Which rows are without collapsed runs, and which are of diverged runs; empty for neither."""
    left_out = False
    names: dict[str, None] = {}
    for row in contrasts.to_dict("records"):
        for side, name in (("", row["level"]), ("_baseline", row["baseline"])):
            if counts_diverged(row, side):
                names[cell_name(name, row["group"])] = None
            elif (row[f"n_collapsed{side}"] or 0) > 0:
                left_out = True
    text = ""
    if left_out:
        text += " Runs that collapsed are no part of differences (tables/differences.csv has them)"
        text += ", but for those of cells at chance level." if names else "."
    if names:
        cells = list(names)
        if len(cells) > MAX_CELLS_NAMED:
            cells = [*cells[:MAX_CELLS_NAMED], counted(len(cells) - MAX_CELLS_NAMED, "more cell")]
        text += (
            f" Half or more of the runs of {listed(cells)} diverged or are at chance level: all "
            "of them are part of differences, those that diverged at chance level."
        )
    return text


def describe_levels(contrasts: pd.DataFrame) -> str:
    """At which level, or from which to which, the intervals are."""
    percent = 100 * contrasts["interval_level"].dropna().astype(float)
    levels = sorted({f"{level:.3g}" for level in percent}, key=float)
    if len(levels) > 1:
        return f"at {levels[0]} to {levels[-1]}%, the level of their look"
    return f"at {''.join(levels)}%"
