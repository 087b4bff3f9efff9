"""The figure of calibration: how often predictions are right per confidence."""

from typing import Any

import altair as alt

from actstudy.analysis import scale
from actstudy.analysis.explorer.figure import Drawing, colour, rows, sized, source
from actstudy.analysis.figures import calibration
from actstudy.analysis.figures.style import seeds
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import Plan

SQUARE = 420  # pixels


def reliability(tables: Tables, task: str) -> Drawing | None:
    """Share correct against confidence; None without classes."""
    settings = tables.plan.tasks[task]
    frame = tables.of("calibration", task)
    if frame.empty or settings.predicts != "classes":
        return None
    counts = frame.groupby(["level", "group"])["seed"].nunique()
    text = (
        f"{settings.title}: test reliability at the best validation checkpoint, predictions of "
        f"{seeds(counts)} pooled; bins of fewer than {calibration.MIN_BIN_PREDICTIONS} "
        "predictions are left out. Below the diagonal: overconfident."
    )
    return Drawing(
        name="reliability",
        task=task,
        title="Share correct against confidence",
        caption=text,
        chart=chart_of_reliability(tables.plan),
        square=SQUARE,
        data={"reliability": source("reliability", task=task)},
        main="reliability",
        columns=["level", "group", "bin", "n_seeds", "count", "confidence", "correct"],
        sizes=sized(scale.of_metric("accuracy"), "confidence", "correct"),
    )


def chart_of_reliability(plan: Plan) -> alt.LayerChart:
    """A line per cell over its bins, and the diagonal."""
    axes: dict[str, Any] = {
        "scale": alt.Scale(domain=[0, 1]),
        "axis": alt.Axis(format="%", tickCount=6),
    }
    place: dict[str, Any] = {
        "x": alt.X("confidence:Q", title="mean confidence of the bin", **axes),
        "y": alt.Y("correct:Q", title="share correct", **axes),
    }
    named = ("level", "group", "bin", "count", "n_seeds", "confidence", "correct")
    own: dict[str, Any] = {
        **place,
        "color": colour(plan),
        "detail": "group:N",
        "tooltip": [alt.Tooltip(f"{name}:N") for name in named],
    }
    corners = alt.Data(values=[{"confidence": 0, "correct": 0}, {"confidence": 1, "correct": 1}])
    layers = [
        alt.Chart(corners).mark_line(color="#8494A6", strokeWidth=1).encode(**place),
        alt.Chart(rows("reliability")).mark_line(point=True).encode(**own),
    ]
    return alt.LayerChart(layer=layers, width=SQUARE, height=SQUARE)
