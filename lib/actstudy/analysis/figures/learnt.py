"""What activations learn: their weights at every site against steps."""

import matplotlib as mpl
from matplotlib.figure import Figure

from actstudy.analysis.figures import health, health_frames
from actstudy.analysis.figures.panels import MAX_PANELS, panels
from actstudy.analysis.figures.style import legend
from actstudy.analysis.tables import Tables
from actstudy.contract.counting import counted

SITES = "viridis"  # from the first site to the last
MAX_SITES_NAMED = 12  # more sites are not in the legend


def learnt_over_time(tables: Tables, task: str) -> tuple[Figure, str] | None:
    """A panel per level and parameter of one group of cells, a line per site; None without any."""
    groups = health_frames.groups_shown(tables, task)[:1]
    rows = tables.of("learnt", task)
    rows = rows[rows["group"].isin(groups)]
    if rows.empty:
        return None
    title = tables.plan.tasks[task].title
    own = list(rows.groupby(["level", "parameter"], sort=False))[:MAX_PANELS]
    names = {f"{level}: {parameter}": part for (level, parameter), part in own}
    heading = f"{title}: what activations learn"
    figure, axes = panels(list(names), heading, panel=(3.8, 2.9), shared=False)
    last = rows["index"].max()
    for name, ax in axes.items():
        for (index, site), part in names[name].groupby(["index", "site"]):
            by_step = part.groupby("step").agg({"mean": "mean", "min": "min", "max": "max"})
            colour = mpl.colormaps[SITES](0.9 * index / max(1, last))
            label = site if last < MAX_SITES_NAMED else f"_{site}"
            ax.plot(by_step.index, by_step["mean"], color=colour, linewidth=1.2, label=label)
            ax.fill_between(
                by_step.index, by_step["min"], by_step["max"], color=colour, alpha=0.12, linewidth=0
            )
        ax.set(xlabel="step", ylabel="value")
    legend(figure, axes.values(), f"{_in_order(last)}{health.count_seeds(rows)}")
    caption = (
        "weights of the activations at every site, as their formulas have them, against steps: a "
        f"line is the mean over units and {health.count_seeds(rows)}, a band reaches from the "
        "least to the largest of them."
    )
    return figure, f"{title}: {caption}{health.left_out(tables, task, groups)}"


def _in_order(last: int) -> str:
    """What a legend must say of the colours if it cannot name the sites."""
    if last < MAX_SITES_NAMED:
        return ""
    return f"{counted(last + 1, 'site')}, the first\ndark, the last light\n"
