"""What k trials give: the expected test value of the best of them on val, level by level."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from actstudy.analysis import scale
from actstudy.analysis.figures.panels import panels
from actstudy.analysis.figures.style import legend, seeds, styles
from actstudy.analysis.markdown import metric_name
from actstudy.analysis.tables import Tables

MAX_BANDS = 3  # of more levels the intervals would hide the lines


def best_of_k(tables: Tables, task: str) -> tuple[Figure, str] | None:
    """The curve of `best_of` for each level, a panel per block; None if no block has one."""
    settings = tables.plan.tasks[task]
    table = tables.of("best_of", task)
    table = table[table["k"] > 0]
    table = table[pd.to_numeric(table["value"]).abs() < float("inf")]
    if table.empty:
        return None
    size = scale.of_metric(settings.metric, settings.predicts)
    if settings.log_unit:
        size = scale.of_differences(settings)
    name = f"test {metric_name(settings.metric)}"
    unit = f", {size.unit}" if size.unit else ""
    if settings.log_unit:
        name, unit = f"ln {name}", f" ({settings.log_unit})"
    title = f"{settings.title}: what the best of k trials gives"
    figure, axes = panels(list(table["block"].unique()), title, columns=2, panel=(5.4, 3.8))
    named = styles(tables.plan.levels)
    are_many = table["level"].nunique() > MAX_BANDS
    for block, ax in axes.items():
        own = table[table["block"] == block]
        for level, part in own.groupby("level", sort=False):
            values = {
                end: size.factor * part[end].astype(float) for end in ("low", "value", "high")
            }
            style = named[str(level)]
            ax.plot(part["k"], values["value"], **style, linewidth=1.4, markersize=4, label=level)
            if not are_many:
                band = (values["low"], values["high"])
                ax.fill_between(part["k"], *band, color=style["color"], alpha=0.1, linewidth=0)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.supxlabel("trials", fontsize=9)
    figure.supylabel(f"{name}{unit}", fontsize=9)
    count = seeds(table["n_seeds"].astype(int))
    legend(figure, axes.values(), count)
    bands = (
        " (intervals: tables/best_of.csv)"
        if are_many
        else ", with 95% intervals (bootstrap over trials and seeds) as bands"
    )
    hours = table.loc[table["k"] == 1, "hours"].astype(float)
    of = f"{table['n_trials'].max()} trials ({table['trials_of'].iloc[0]})"
    return figure, (
        f"{settings.title}: {name} of that trial which validation chooses from k, the mean over "
        f"all subsets of k of {of} and over seeds{bands}; {count}. One trial takes "
        f"{hours.min():.2g} to {hours.max():.2g} hours of training. Diverged trials count as the "
        "worst."
    )
