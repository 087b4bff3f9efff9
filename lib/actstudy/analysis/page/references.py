"""What the reference methods without a network say of a task's answer."""

from typing import Any

from actstudy.analysis import scale
from actstudy.analysis.tables import Tables


def not_above(tables: Tables, task: str) -> str:
    """A warning for each reference method that no level's mean on the same data is better than."""
    settings = tables.plan.tasks[task]
    cells = tables.reported(task).query("n > 0")
    if cells.empty:
        return ""
    data = tables.of("runs", task)[["group", "level", "data"]].drop_duplicates()
    cells = cells.merge(data, on=["group", "level"])
    best = (settings.sign * cells["mean"]).groupby(cells["data"]).max()
    warnings = []
    own = scale.of_metric(settings.metric, settings.predicts)
    references: Any = tables.of("references", task).drop_duplicates(["data", "name"]).itertuples()
    for row in references:
        if row.data in best and settings.sign * row.test >= best[row.data]:
            warnings.append(
                f" No mean is better than the reference without a network, {row.name}: "
                f"{own.number(row.test)}{own.unit}."
            )
    return "".join(warnings)
