"""What a task's answer is measured by: reference methods without a network, the baseline's mean."""

import pandas as pd

from actstudy.analysis import scale
from actstudy.analysis.markdown import metric_name
from actstudy.analysis.reference_rows import is_of
from actstudy.analysis.tables import Tables


def not_above(tables: Tables, task: str) -> str:
    """A warning for each reference method that no mean of the runs that it is of is better than."""
    settings = tables.plan.tasks[task]
    cells = tables.reported(task).query("n > 0")
    warnings = []
    own = scale.of_metric(settings.metric, settings.predicts)
    references = tables.of("references", task).drop_duplicates(["data", "name"])
    if references.empty:
        return ""
    runs = tables.of("runs", task)
    for row in references.to_dict("records"):
        compared = runs.loc[is_of(row, runs), ["group", "level"]].drop_duplicates()
        means = settings.sign * cells.merge(compared, on=["group", "level"])["mean"]
        if len(means) and settings.sign * row["test"] >= means.max():
            warnings.append(
                f" No mean is better than the reference without a network, {row['name']}: "
                f"{own.number(row['test'])}{own.unit}."
            )
    return "".join(warnings)


def baseline_mean(tables: Tables, task: str, group: str) -> str:
    """The baseline's mean test metric in a group of cells; empty without one.

    As `relu has 74.48% test accuracy (n = 8)`, or `(n = 2 of 8)` of runs that are planned.
    """
    settings = tables.plan.tasks[task]
    cells = tables.reported(task)
    own = cells[(cells["level"] == settings.baseline) & (cells["group"] == group)]
    if own.empty or pd.isna(own["mean"].iloc[0]):
        return ""
    size = scale.of_metric(settings.metric, settings.predicts)
    unit = size.unit if size.unit == "%" else f" {size.unit}".rstrip()
    value = f"{size.number(own['mean'].iloc[0])}{unit} test {metric_name(settings.metric)}"
    n, n_planned = (int(own[name].iloc[0]) for name in ("n", "n_planned"))
    seeds = f"{n}" if n == n_planned else f"{n} of {n_planned}"
    return f"{settings.baseline} has {value} (n = {seeds})"
