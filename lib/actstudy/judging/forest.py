"""The forest of an answer: each difference with its interval, its runs and its verdict."""

import dataclasses

import pandas as pd
from matplotlib.figure import Figure

from actstudy.analysis.figures.forest import Panel, add_legend, draw_panel, reach, stacked
from actstudy.analysis.figures.forest_rows import Row
from actstudy.analysis.figures.style import styles
from actstudy.analysis.markdown import cell_name
from actstudy.analysis.questions.procedure import TOO_FEW
from actstudy.judging import question as asking
from actstudy.judging.answer import Answer, too_few_words
from actstudy.judging.headline import scale_of
from actstudy.judging.question import PAIRED

PLAIN = "value"  # a metric that figures draw in its own unit, whatever that is
MAX_ROWS = 60  # of one figure; of more contrasts those of the largest difference


def forest(answer: Answer) -> Figure:
    """A panel per group of levels; dots are runs minus the baseline's of their seed, or mean."""
    primary = answer.contrasts[answer.contrasts["family"] == "primary"]
    if len(primary) > MAX_ROWS:
        largest = primary["mean"].abs().nlargest(MAX_ROWS).index
        primary = primary[primary.index.isin(largest)]
    panels = []
    for (task, group), rows in primary.groupby(["task", "group"], sort=False):
        panels.append(panel_of(answer, str(task), str(group), rows))
    columns = 1 if len(primary) <= MAX_ROWS // 2 else 2
    title = f"{answer.scores.metric}: difference from {answer.question.baseline}"
    figure, axes = stacked(panels, columns, title)
    styles_by_level = styles(list(primary["level"].unique()))
    for panel, ax in zip(panels, axes, strict=True):
        draw_panel(ax, panel, reach(panel), styles_by_level)
    add_legend(figure)
    return figure


def panel_of(answer: Answer, task: str, group: str, contrasts: pd.DataFrame) -> Panel:
    """The rows of one group of levels, the best difference first."""
    settings = asking.task_plan(answer.question, answer.scores, task)
    settings = dataclasses.replace(settings, metric=PLAIN)
    size = scale_of(answer, task)
    best_first = contrasts.sort_values("mean", ascending=settings.sign < 0, kind="stable")
    dots = answer.dots[(answer.dots["task"] == task) & (answer.dots["group"] == group)]
    rows = []
    for _, contrast in best_first.iterrows():
        drawn = contrast.to_dict()
        if contrast["verdict"] == TOO_FEW and contrast["method"] != PAIRED:
            drawn["verdict"] = too_few_words(contrast)
        own = dots.loc[dots["level"] == contrast["level"], "difference"]
        rows.append(Row(contrast["level"], drawn, own.to_numpy(dtype=float), size.digits))
    head = cell_name(task, group) or answer.scores.metric
    unit = f" {answer.scores.unit}" if answer.scores.unit else ""
    return Panel(f"{head} (margin {settings.margin:g}{unit})", settings, rows)
