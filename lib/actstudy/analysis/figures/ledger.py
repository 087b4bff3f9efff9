"""Claims of guides: verdicts per topic, and what was measured over what is claimed."""

import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from actstudy.analysis.figures.panels import subplots, tidy, wrapped
from actstudy.analysis.questions import ledger_words
from actstudy.analysis.questions.ledger_verdicts import (
    FAILS,
    HOLDS,
    NOT_MEASURABLE,
    NOT_MEASURED,
    PARTLY,
    UNDECIDED,
    VERDICTS,
)
from actstudy.analysis.tables import Tables
from actstudy.study.bounds import range_of

COLOURS = {
    HOLDS: "#09AD77",
    PARTLY: "#E4AD00",
    FAILS: "#B5361C",
    UNDECIDED: "#8494A6",
    NOT_MEASURABLE: "#D9DEE4",
    NOT_MEASURED: "#4D4D4D",
}
OUTCOME_COLOURS = {"true": COLOURS[HOLDS], "false": COLOURS[FAILS], "open": COLOURS[UNDECIDED]}
ROW_INCHES = 0.3
RATIO_INCHES = 0.42
MAX_RATIOS = 20  # rows of a figure
MAX_CONDITIONS = 2  # rows of a claim
TICKS = (1, 2, 5, 10, 100)  # times too much or too little
FARTHEST = 100.0  # times too much or too little; what is farther is drawn there
NAME_INCHES = 4.2


class Ratio(NamedTuple):
    """A measured value over the claimed one, with its interval and the bound of the claim."""

    name: str
    words: str
    outcome: str
    value: float
    ends: tuple[float, float]
    bound: tuple[float, float]


def verdicts(tables: Tables) -> tuple[Figure, str] | None:
    """The verdicts of each topic as a bar; None if the study has no claims."""
    claims = tables.frames["claims"]
    if claims.empty:
        return None
    by_topic = pd.crosstab(claims["topic"], claims["verdict"])
    by_topic = by_topic.reindex(columns=[name for name in VERDICTS if name in by_topic])
    by_topic = by_topic.loc[by_topic.sum(axis=1).sort_values(kind="stable").index]
    size = (8.6, 1.5 + ROW_INCHES * len(by_topic))
    figure, axes = subplots(1, 1, size, f"What holds of {len(claims)} claims")
    ax = axes[0, 0]
    starts = np.zeros(len(by_topic))
    for verdict in by_topic:
        widths = by_topic[verdict].to_numpy(float)
        ax.barh(
            range(len(by_topic)),
            widths,
            left=starts,
            height=0.72,
            color=COLOURS[verdict],
            edgecolor="white",
        )
        starts += widths
    ax.set_yticks(range(len(by_topic)), list(by_topic.index), fontsize=9)
    ax.set_xlabel("claims", fontsize=9)
    ax.xaxis.get_major_locator().set_params(integer=True)
    tidy(ax, "x", label_size=9)
    ax.tick_params(axis="y", length=0)
    handles = [Patch(color=COLOURS[verdict], label=verdict) for verdict in by_topic]
    figure.legend(handles=handles, loc="outside lower center", ncols=6, fontsize=8, frameon=False)
    n = by_topic.sum()
    parts = [f"{verdict}: {n[verdict]}" for verdict in by_topic]
    return figure, f"Verdicts on the {len(claims)} claims by topic. {', '.join(parts)}."


def claimed_and_measured(tables: Tables) -> tuple[Figure, str] | None:
    """Measured over claimed, of claims that name a number; None if no claim does.

    First come the claims that most readers meet, then those whose numbers are farthest off.
    """
    ratios = ratios_of(tables)
    if not ratios:
        return None
    rows = ratios[:MAX_RATIOS]
    size = (10.4, 1.6 + RATIO_INCHES * len(rows))
    figure, axes = subplots(1, 1, size, "Measured over claimed")
    ax = axes[0, 0]
    for place, row in enumerate(rows):
        draw_ratio(ax, place, row)
    reach = reach_of(rows)
    ax.set(xscale="log", xlim=(1 / reach / 1.3, reach * 1.3), ylim=(len(rows) - 0.4, -0.6))
    ticks = [tick for tick in TICKS if tick <= reach]
    ax.set_xticks([1 / tick for tick in ticks] + ticks[1:])
    ax.set_xticklabels(["1", *[f"1/{tick}" for tick in ticks[1:]], *map(str, ticks[1:])])
    ax.minorticks_off()
    ax.set_yticks(range(len(rows)), [wrapped(row.name, NAME_INCHES, 8) for row in rows], fontsize=8)
    words = ax.secondary_yaxis("right")
    words.set_yticks(range(len(rows)), [wrapped(row.words, 2.6, 8) for row in rows], fontsize=8)
    for side in (ax, words):
        side.tick_params(axis="y", length=0)
        side.spines[["left", "right"]].set_visible(False)
    ax.axvline(1, color="#555555", linewidth=1, zorder=1)
    ax.set_xlabel("times the claimed number (logarithmic)", fontsize=9)
    tidy(ax, "x", label_size=8)
    add_legend(figure)
    return figure, _caption(rows, len(ratios))


def _caption(rows: list[Ratio], n: int) -> str:
    caption = f"What was measured over what is claimed, of {len(rows)} values of claims that name a"
    caption += (
        " number, with 95% intervals if samples are behind them; grey: what the claim's bound"
    )
    caption += " allows."
    if len(rows) < n:
        caption += f" There are {n} such values: first come the claims that most readers meet,"
        caption += " then those whose numbers are farthest off."
    if any(drawn_at(row.value) != row.value for row in rows):
        caption += f" Arrows: more than {FARTHEST:g} times away."
    return caption


def ratios_of(tables: Tables) -> list[Ratio]:
    """The values whose claims name a number other than 0, at most MAX_CONDITIONS per claim.

    First come those of the claims that most readers meet, then those that are farthest off.
    """
    by_id = dict(iter(tables.frames["readings"].groupby("id", sort=False)))
    headlines: list[Ratio] = []
    others: list[Ratio] = []
    for claim in tables.frames["claims"].to_dict("records"):
        own = []
        if claim["id"] in by_id:
            bounds = (tables.plan.ledger or {})["claims"][claim["id"]]["holds_if"]
            for row in by_id[claim["id"]].to_dict("records"):
                own.append(ratio_of(claim, row, bounds.get(row["name"], {})))
        several = headlines if claim["headline"] else others
        several += sorted(filter(None, own), key=distance, reverse=True)[:MAX_CONDITIONS]
    return [*headlines, *sorted(others, key=distance, reverse=True)]


def distance(ratio: Ratio) -> float:
    """How far a measured value is from the claimed one, in powers of e."""
    return abs(math.log(ratio.value))


def ratio_of(claim: dict[str, Any], row: dict[str, Any], bound: dict[str, Any]) -> Ratio | None:
    """A value over the number that its bound names; None if it names none, or the sign differs."""
    number = bound.get("equals", 0)
    if not number or not row["shown_on_page"] or not math.isfinite(row["value"]):
        return None
    if row["value"] / number <= 0:
        return None
    ends = sorted((row["low"] / number, row["high"] / number))
    allowed = range_of(bound)
    limits = sorted((allowed.low / number, allowed.high / number))
    name = claim["claim"]
    if row["condition"]:
        name += f" ({row['condition']})"
    size = ledger_words.n_words(int(row["n"]), int(row["n"]))
    n = f", n = {size}" if row["n"] else ""
    words = f"{ledger_words.value_words(row)}{n}; claimed {ledger_words.number(number)}"
    return Ratio(
        name,
        words,
        row["outcome"],
        row["value"] / number,
        (ends[0], ends[1]),
        (limits[0], limits[1]),
    )


def reach_of(rows: list[Ratio]) -> float:
    """How many times too much or too little the axis shows: at least 4, at most FARTHEST."""
    sizes = np.abs(np.log(np.clip([row.ends for row in rows], 1 / FARTHEST, FARTHEST)))
    return max(4.0, float(np.exp(sizes.max())))


def drawn_at(value: float) -> float:
    """Where a ratio is drawn: as it is, or at the end of the axis."""
    return min(max(value, 1 / FARTHEST), FARTHEST)


def draw_ratio(ax: Axes, place: int, row: Ratio) -> None:
    """Draw a row: the bound as a band, the interval as a line, the value as a dot or an arrow."""
    low, high = (drawn_at(end) for end in row.bound)
    ax.barh(place, high - low, left=low, height=0.62, color="#E6E9ED", zorder=0)
    colour = OUTCOME_COLOURS[row.outcome]
    ax.plot(
        [drawn_at(end) for end in row.ends], [place, place], color=colour, linewidth=2, zorder=2
    )
    marker = "o"
    if row.value != drawn_at(row.value):
        marker = ">" if row.value > 1 else "<"
    ax.plot([drawn_at(row.value)], [place], marker, color=colour, markersize=6, zorder=3)


def add_legend(figure: Figure) -> None:
    """The colours of dots, below the panel."""
    names = {"true": "within the bound", "false": "outside", "open": "undecided"}
    handles: list[Any] = [
        Line2D([], [], marker="o", color=OUTCOME_COLOURS[key], label=name)
        for key, name in names.items()
    ]
    handles.append(Patch(color="#E6E9ED", label="the claim's bound"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
