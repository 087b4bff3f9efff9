"""What the reference methods without a network say of a task's answer."""

from actstudy.analysis import scale
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
