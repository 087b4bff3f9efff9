"""A figure of the page: what it draws, what a reader may choose, and its caption."""

from dataclasses import dataclass, field
from typing import Any

import altair as alt

from actstudy.analysis.figures.style import styles
from actstudy.analysis.scale import Scale, Significant
from actstudy.contract.plan import Plan

SHAPES = {  # of matplotlib's markers, as Vega has them
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "v": "triangle-down",
    "<": "triangle-left",
    ">": "triangle-right",
    "D": "diamond",
    "d": "diamond",
    "P": "cross",
    "+": "cross",
}
NAMED = ["name", "task", "title", "caption", "hint", "data", "main", "columns", "row_height"]
NAMED += ["square", "panel_width", "sizes"]
LINE = "stroke"  # the symbol of a line in a legend
PAPER = "#FFFFFE"  # stands for the colour of the page, light or dark
DASHES = {"-": [1, 0], "--": [6, 3], "-.": [6, 2, 1, 2], ":": [1, 2]}


@dataclass(frozen=True)
class Option:
    """One value of a choice: rows must equal `where`; `encoding` changes channels of the chart.

    sizes: as of a Drawing, of columns whose unit the choice decides.
    """

    name: str
    label: str
    where: dict[str, Any] = field(default_factory=dict)
    encoding: dict[str, Any] = field(default_factory=dict)
    sizes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """What a reader may choose of a figure; the first option is that of a page just opened."""

    name: str
    label: str
    options: list[Option]


@dataclass(frozen=True)
class Drawing:
    """A figure of one task.

    caption: is copied with the figure, so that it names nothing of the page; hint: what a reader of
    the page can do. chart: draws the data sets that it names; data: name of a data set -> the table
    it is of, which rows its `where` takes, and at most how many; choices: of the reader; main: the
    data set that is copied as a table; sizes: its columns that are copied in the caption's unit, by
    `sized`.
    """

    name: str
    task: str
    title: str
    caption: str
    chart: alt.TopLevelMixin
    data: dict[str, dict[str, Any]]
    main: str
    columns: list[str]
    hint: str = ""
    row_height: int = 0  # pixels per row of main; 0: the chart has a height of its own
    square: int = 0  # pixels of both sides, less in a narrow window; 0: as wide as the page
    panel_width: int = 0  # pixels of one of several panels with its distance; 0: there is one
    choices: list[Choice] = field(default_factory=list)
    sizes: dict[str, Any] = field(default_factory=dict)


def sized(size: Scale, *columns: str, signed: bool = False) -> dict[str, Any]:
    """Column -> the factor, unit and decimals of its numbers as they are copied.

    signed: with `+` before those above 0; digits: None for four significant ones.
    """
    digits = None if isinstance(size, Significant) else size.digits
    own = {"factor": size.factor, "digits": digits, "unit": size.unit, "signed": signed}
    return dict.fromkeys(columns, own)


def times(column: str, factor: float) -> str:
    """An expression of Vega: a column times a factor; null for a missing value."""
    return f"isValid(datum.{column}) ? datum.{column} * {factor} : null"


def in_words(column: str, factor: float) -> str:
    """An expression of Vega: a difference times a factor as text; `none` for a missing value."""
    return f"isValid(datum.{column}) ? format(datum.{column} * {factor}, '+.4~g') : 'none'"


def of_interval(factor: float) -> dict[str, str]:
    """Expressions per name: a mean and its interval's ends as numbers, and as texts to be read.

    The numbers of an interval without an end are the mean, so that it has no length.
    """
    names = {"at": "mean", "start": "low", "end": "high"}
    numbers = {name: times(column, factor) for name, column in names.items()}
    for name in ("start", "end"):
        numbers[name] = (
            f"isValid(datum.low) && isValid(datum.high) ? {numbers[name]} : {numbers['at']}"
        )
    words = {f"{name}_words": in_words(column, factor) for name, column in names.items()}
    has_end = "(isValid(datum.low) || isValid(datum.high))"
    level = f"{has_end} ? format(datum.interval_level, '.3~%') : 'none'"
    return {**numbers, **words, "level_words": level}


def interval_tooltips(title: str) -> list[alt.Tooltip]:
    """What a mean's mark says of `of_interval`; title: of the mean, with its unit."""
    labels = {"at": title, "start": "low", "end": "high", "level": "level of the interval"}
    return [alt.Tooltip(f"{name}_words:N", title=label) for name, label in labels.items()]


def source(table: str, at_most: int = 20_000, **where: Any) -> dict[str, Any]:
    """Where the rows of a data set come from."""
    return {"table": table, "where": where, "at_most": at_most}


def alone(of: dict[str, Any], *line: str) -> dict[str, Any]:
    """The rows of a source that are the only one of their line; line: its columns."""
    return {**of, "alone": line}


def once(of: dict[str, Any], *columns: str) -> dict[str, Any]:
    """The rows of a source of which each combination of some columns is drawn once."""
    return {**of, "once": columns}


def marked(of: dict[str, Any], last: bool = False) -> dict[str, Any]:
    """The rows of a source that are of the run which the reader marked; last: the last one."""
    return {**of, "marked": "last" if last else "all"}


def rows(name: str) -> alt.NamedData:
    """A data set that the page fills with the rows which its filters leave."""
    return alt.NamedData(name=name)


def colour(plan: Plan, symbol: str | None = None) -> alt.Color:
    """The channel that gives each level the colour that it has in static figures."""
    return alt.Color("level:N", scale=colour_scale(plan.levels), legend=legend_of(plan, symbol))


def colour_scale(levels: list[str]) -> alt.Scale:
    """The colours of levels."""
    return alt.Scale(domain=levels, range=[style["color"] for style in styles(levels).values()])


def legend_of(plan: Plan, symbol: str | None = None) -> alt.Legend:
    """One legend for the colour, dash and mark of a level: equal ones are drawn as one.

    symbol: of every level, `stroke` for a line; by default that of its mark.
    """
    return alt.Legend(
        title=plan.compare,
        symbolOpacity=1,
        symbolStrokeWidth=2.5,
        symbolSize=110,
        symbolLimit=0,
        symbolType=symbol or alt.Undefined,
    )


def dash(plan: Plan) -> alt.StrokeDash:
    """The channel that gives each level the dashes that it has in static figures."""
    by_level = styles(plan.levels)
    dashes = [DASHES[style["linestyle"]] for style in by_level.values()]
    return alt.StrokeDash(
        "level:N",
        scale=alt.Scale(domain=plan.levels, range=dashes),
        legend=legend_of(plan, LINE),
    )


def shape(plan: Plan) -> alt.Shape:
    """The channel that gives each level a mark of its own, as far as Vega has them."""
    by_level = styles(plan.levels)
    marks = [SHAPES.get(style["marker"], "circle") for style in by_level.values()]
    return alt.Shape(
        "level:N", scale=alt.Scale(domain=plan.levels, range=marks), legend=legend_of(plan)
    )


def specification(drawing: Drawing) -> dict[str, Any]:
    """The Vega-Lite specification of a drawing.

    That it is one, tests check: a check against the language's schema takes longer than the rest.
    """
    chart = drawing.chart.to_dict(validate=False)
    chart.pop("$schema", None)  # an address, which the page needs not
    chart.pop("config", None)  # the page has its own, light or dark
    return chart
