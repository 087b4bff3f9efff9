"""The page of a study to explore: one file, which opens without a server or a network."""

import functools
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import vl_convert
from markupsafe import Markup

from actstudy.analysis import scale
from actstudy.analysis.explorer import columns, datasets, decision, figure, parts, texts, thinning
from actstudy.analysis.explorer.policy import inlined, policy
from actstudy.analysis.figures.style import ACTIVATION_STYLE, OTHER_STYLES, styles
from actstudy.analysis.page import origins
from actstudy.analysis.tables import UNITS, Tables
from actstudy.contract.plan import Plan, TaskPlan

FILES = Path(__file__).parent
SCRIPTS = ["data.js", "state.js", "screen.js", "copy.js", "texts.js", "runs.js", "figures.js"]
SCRIPTS += ["tables.js", "choose.js", "explorer.js"]
MAX_BYTES = 10_000_000  # of a page
EXPOSED = "window.vegaEmbed = vegaEmbed;"  # of Vega's scripts, to the page's own
LIGHTEST = 0.55  # of a colour's luminance on a dark page, at least
FIRST_COLUMNS = {  # of tables with many columns, those that are open at first
    "contrasts": "task family group level baseline unit n mean low high interval_level verdict "
    "condition contradiction margin more_seeds",
    "runs": "task level group seed run_id status trained reason best_step steps_done train_seconds "
    "throughput device",
    "incomplete": "task level group seed run_id status reason rerun",
    "claims": "id topic claim claimed measured verdict detail device",
}
NOTES = {  # above a table
    "runs": "reported_*: test values at the checkpoint that is reported, the best on validation "
    "data; last_*: test values at the last step. trained: yes, stalled (its best validation value "
    "is near chance, by the rule that Answer states), diverged or failed, all found by search. "
    "Seconds of runs of a pack are each run's equal share of the pack's.",
    "curves": "Of a big study evenly spaced evaluations; all are in tables/curves.parquet.",
}


@dataclass(frozen=True)
class Shell:
    """A page: its head, what its parts hold, and all that its script knows.

    titles: task -> its words; left_out: a sentence per thing that is not on it.
    """

    title: str
    notes: Markup
    facts: Markup
    titles: dict[str, str]
    parts: list[parts.Part]
    left_out: list[str]
    versions: str
    model: dict[str, Any]


def render(tables: Tables, partial: bool = False) -> str:
    """The HTML of a study's page; partial: as for summary.md.

    It holds the tables of `datasets.carried`, and the words of summary.md, details.md and
    appendix.md that its parts take. It loads nothing. Of a big study it leaves out what
    `thinning` says.
    """
    sections = [*texts.of_summary(tables, partial), *texts.of_appendix(tables)]
    cells = decision.of_tables(tables)
    decided = decision.decision(cells, [tables.plan.file]) if cells else None
    for share in thinning.SHARES:
        text = of_share(tables, sections, decided, share)
        if len(text.encode("utf-8")) <= MAX_BYTES:
            break
    return text


def of_share(
    tables: Tables, sections: list[texts.Section], decided: decision.Decision | None, share: float
) -> str:
    """The page with tables of a share of the limits of `thinning`."""
    carried = datasets.carried(tables, share)
    left_out = carried.left_out
    introductions = {}
    if decided:
        introductions["decision"] = Markup("<p>{}</p>").format(decision.INTRODUCTION)
        left_out += [decided.left_out] if decided.left_out else []
    titled, notes = (Markup(half) for half in sections[0].html.split("</h1>"))  # noqa: S704
    there = parts.parts(tables, datasets.readable(carried.frames), sections, introductions)
    provenance = tables.origin or origins.provenance(tables.frames["runs"])
    shell = Shell(
        title=titled.striptags(),
        notes=notes,
        facts=facts(tables.plan, provenance),
        titles={task: settings.title for task, settings in tables.plan.tasks.items()},
        parts=there,
        left_out=left_out,
        versions=provenance["versions"],
        model=model(tables.plan, there, carried.frames, decided, datasets.latex_files(tables)),
    )
    return whole(shell)


def facts(plan: Plan, provenance: dict[str, str]) -> Markup:
    """The line under the title: the study's file, and where its runs come from."""
    head = Markup("Study file <code>{}</code> · code {} · ").format(
        plan.file, provenance["commits"]
    )
    return head + f"{provenance['devices']} · last run ended {provenance['ended']}"


def whole(shell: Shell) -> str:
    """The HTML of a page."""
    own_script = "\n".join((FILES / name).read_text(encoding="utf-8") for name in SCRIPTS)
    scripts = [vega(), own_script]
    style = (FILES / "explorer.css").read_text(encoding="utf-8")
    content = {name: value for name, value in vars(shell).items() if name != "model"}
    return template().render(
        **content,
        any_task=parts.ANY_TASK,
        date=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        policy=policy(scripts, style),
        scripts=[inlined(script, "script") for script in scripts],
        style=inlined(style, "style"),
        data=columns.packed(shell.model),
    )


@functools.cache
def vega() -> str:
    """Vega's scripts: bundling them takes a second, which pages of one process share."""
    return vl_convert.javascript_bundle(EXPOSED)


def model(
    plan: Plan,
    there: list[parts.Part],
    frames: dict[str, pd.DataFrame],
    decided: decision.Decision | None,
    latex_files: dict[str, dict[str, str]] | None = None,
) -> dict[str, Any]:
    """All that the page's script knows: levels, tasks, parts with their figures, tables.

    latex_files: task -> name of a file -> its text.
    """
    texts_and_figures = {
        "study": plan.study,
        "compare": plan.compare,
        "levels": coloured(plan),
        "dark": dark_colours(),
        "tasks": {name: task.title for name, task in plan.tasks.items()},
        "metrics": {name: task.metric for name, task in plan.tasks.items()},
        "parts": [described(part) for part in there],
        "decision": decided.content if decided else None,
        "first_columns": first_columns(plan),
        "units": UNITS,
        "notes": NOTES,
        "under_tables": texts.under_tables(plan, frames.get("cells", pd.DataFrame())),
        "digits": digits(frames),
        "difference_digits": {name: difference_digits(task) for name, task in plan.tasks.items()},
    }
    tables = {name: columns.of_frame(frame) for name, frame in frames.items()}
    words = columns.displayed(texts_and_figures)
    return {**words, "latex": latex_files or {}, "tables": tables}  # LaTeX has lines of its own


def digits(frames: dict[str, pd.DataFrame]) -> dict[str, int]:
    """Metric -> decimals of its values as tables have them: of shares, two more than in percent."""
    metrics = frames["cells"]["metric"].unique() if "cells" in frames else []
    sizes = {str(metric): scale.of_metric(str(metric)) for metric in metrics}
    return {metric: decimals(size) for metric, size in sizes.items() if is_fixed(size)}


def difference_digits(task: TaskPlan) -> int | None:
    """Decimals of a task's differences as tables have them; None for four significant digits."""
    size = scale.of_differences(task)
    return decimals(size) if is_fixed(size) else None


def decimals(size: scale.Scale) -> int:
    """Decimals of numbers that are not yet times the factor of their scale."""
    return size.digits + round(math.log10(size.factor))


def is_fixed(size: scale.Scale) -> bool:
    """Whether numbers of a scale have decimals of a fixed number."""
    return not isinstance(size, scale.Significant)


def template() -> jinja2.Template:
    """The page's template, which escapes all that is not HTML already."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FILES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("explorer.html.j2")


def described(part: parts.Part) -> dict[str, Any]:
    """A part's figures and tables as the script reads them."""
    figures = []
    for drawing in part.drawings:
        fields = {name: getattr(drawing, name) for name in figure.NAMED}
        fields["choices"] = [asdict(choice) for choice in drawing.choices]
        figures.append({**fields, "spec": figure.specification(drawing)})
    named = {"name": part.name, "title": part.title, "every_task": part.every_task}
    return {**named, "figures": figures, "tables": part.tables}


def coloured(plan: Plan) -> list[dict[str, str]]:
    """The levels with their colours on a light and on a dark page."""
    named = []
    for level, style in styles(plan.levels).items():
        named.append({"name": level, "light": style["color"], "dark": lightened(style["color"])})
    return named


def dark_colours() -> dict[str, str]:
    """Each colour of a level in static figures -> what stands for it on a dark page."""
    colours = [style[0] for style in [*ACTIVATION_STYLE.values(), *OTHER_STYLES]]
    return {colour: lightened(colour) for colour in colours}


def lightened(colour: str) -> str:
    """A colour mixed with as much white as a dark page needs."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    luminance = 0.3 * channels[0] + 0.59 * channels[1] + 0.11 * channels[2]
    white = max(0.0, (LIGHTEST - luminance) / (1 - luminance + 1e-9))
    mixed = [round(255 * (channel + white * (1 - channel))) for channel in channels]
    return "#" + "".join(f"{channel:02X}" for channel in mixed)


def first_columns(plan: Plan) -> dict[str, list[str]]:
    """Table -> the columns that are open at first, of tables with many."""
    named = {table: names.split() for table, names in FIRST_COLUMNS.items()}
    metrics = dict.fromkeys(f"reported_{task.metric}" for task in plan.tasks.values())
    named["runs"][7:7] = metrics
    return named
