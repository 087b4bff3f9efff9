"""What the caption of the figure `effects` says: its marks, its intervals and its rows."""

import pandas as pd

from actstudy.analysis import scale
from actstudy.analysis.figures.forest_caption import interval_name
from actstudy.analysis.figures.style import seeds
from actstudy.analysis.questions.procedure import MIN_SEEDS
from actstudy.analysis.questions.stats import LEVEL
from actstudy.contract.counting import counted
from actstudy.contract.plan import TaskPlan


def caption(
    settings: TaskPlan,
    table: pd.DataFrame,
    sources: pd.DataFrame,
    off_axis: bool,
    n_left_out: int,
) -> str:
    """What is drawn of rows of `effects` and of `components`."""
    margin = scale.of_differences(settings).amount(settings.margin)
    n = seeds(table["n"].astype(int))
    text = (
        f"{settings.title}. Differences: means of runs that share their seed and differ in "
        f"one factor alone, with {interval_name(settings)}, {n} per row, and their verdicts; "
        f"the band is the margin, {margin}, which the study states. "
    )
    if sources["sd"].notna().any():
        text += (
            "Standard deviations: how far the levels of each source lie apart, with "
            f"{LEVEL:.0%} intervals, over seeds that have a typical run in every cell; two runs "
            "that differ in a source lie sqrt(2) standard deviations apart, so the band ends at "
            "the margin / sqrt(2). Arithmetic: runs of torch that share all but how they compute, "
            "the floor below which a framework cannot be told from rounding. Another seed: what "
            "another seed does to one cell."
        )
    if (sources["sd"] <= 0).any():
        text += (
            " Not above its noise: chance explains all of it, so it has no mark; its interval says "
            "how large it may be."
        )
    text += (
        f" Hollow: no verdict, fewer than {MIN_SEEDS} seeds, or a standard deviation whose "
        "interval begins at 0."
    )
    if (table["n"] < MIN_SEEDS).any() and not settings.at_any_n:
        text += f" Below {MIN_SEEDS} pairs there is no verdict, also if an interval excludes zero."
    if off_axis:
        text += " Arrows: values beyond the axis."
    if n_left_out:
        more = counted(n_left_out, "more row")
        text += f" Not shown: {more}, in tables/effects.csv and components.csv."
    return text
