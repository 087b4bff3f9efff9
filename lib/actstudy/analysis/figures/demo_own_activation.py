"""Demo: tests, slope and cost of an activation written from the template."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actstudy.analysis.figures.panels import subplots, tidy
from actstudy.analysis.figures.style import BAR_COLOUR, REFERENCE

COLOURS = {"passed": "#2E8B57", "failed": "#C0392B"}
SLOPE_COLOUR = "#0B69AF"


def draw(frame: pd.DataFrame) -> tuple[Figure, str]:
    """Bars of tests by outcome, the slope beside differences, bytes and time per variant."""
    title = "An activation of one's own with its own backward: tested, right, and what it costs"
    figure, axes = subplots(2, 2, (12.6, 7.4), title)
    tests, slope, saved, times = axes.flat
    _draw_tests(tests, frame[frame["kind"] == "test"])
    _draw_slope(slope, frame)
    _draw_bars(saved, frame[frame["kind"] == "bytes"], "bytes a value that backward needs")
    _draw_bars(times, frame[frame["kind"] == "time"], "time of both passes, relu = 1")
    times.axvline(1, **REFERENCE)
    ran = frame.loc[frame["kind"] == "test", "outcome"]
    caption = (
        "The template that `actstudy template activation` writes, x sigmoid(beta x), in three "
        f"ways. {(ran == 'passed').sum()} of {len(ran)} of its tests passed. Slope: of the own "
        "backward, and of differences of the function's values. Bytes: kept per float32 value from "
        "forward to backward. Time: on one thread of a CPU, medians and quartiles of 31 pairs of "
        "windows."
    )
    return figure, caption


def _draw_tests(ax: Axes, rows: pd.DataFrame) -> None:
    """Draw how many cases of each test passed and failed."""
    counts = rows.groupby(["name", "outcome"], sort=False).size().unstack(fill_value=0)
    begin = pd.Series(0, counts.index)
    for outcome, colour in COLOURS.items():
        if outcome in counts:
            ax.barh(counts.index, counts[outcome], left=begin, color=colour, label=outcome)
            begin = begin + counts[outcome]
    ax.invert_yaxis()
    tidy(ax, "x", label_size=8)
    ax.set_title("tests of the template, cases", fontsize=10)
    ax.legend(fontsize=8, frameon=False)


def _draw_slope(ax: Axes, frame: pd.DataFrame) -> None:
    """Draw the slope of the backward as a line, differences as dots."""
    slope = frame[frame["kind"] == "slope"]
    difference = frame[frame["kind"] == "difference"].iloc[::6]
    ax.plot(slope["x"], slope["value"], color=SLOPE_COLOUR, label="own backward")
    ax.plot(difference["x"], difference["value"], "o", color="black", ms=3.5, label="differences")
    tidy(ax, "both", label_size=8)
    ax.set_title("slope", fontsize=10)
    ax.set_xlabel("x", fontsize=9)
    ax.legend(fontsize=8, frameon=False)


def _draw_bars(ax: Axes, rows: pd.DataFrame, title: str) -> None:
    """Draw a bar per variant, with quartiles if there are some."""
    ax.barh(rows["name"], rows["value"], color=BAR_COLOUR)
    if rows["low"].notna().all():
        reach = (rows["value"] - rows["low"], rows["high"] - rows["value"])
        ax.errorbar(rows["value"], rows["name"], xerr=reach, fmt="none", color="black", capsize=3)
    for place, value in enumerate(rows["value"]):
        ax.text(0.02 * rows["value"].max(), place, f"{value:.3g}", fontsize=8, va="center")
    ax.invert_yaxis()
    tidy(ax, "x", label_size=8)
    ax.set_title(title, fontsize=10)
