"""The first screen of summary.md: the answers, the risk, what to do next, a table, a picture."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from actstudy.analysis import scale
from actstudy.analysis.markdown import listed, markdown, prose
from actstudy.analysis.page import (
    frameworks,
    links,
    next_steps,
    recommendation,
    risks,
    sensitivity_tables,
    survival_tables,
    training_sentences,
    verdict_tables,
)
from actstudy.analysis.page.screens import Part
from actstudy.analysis.questions.contrasts import primary, verdict_words
from actstudy.analysis.tables import Tables
from actstudy.contract import registry
from actstudy.contract.plan import TaskPlan

FOREST = "forest"  # the figure of all tasks that stands beside the answer
MAX_COLUMNS = 6  # tasks and groups of cells beside each other
MAX_LEVELS = 14  # below each other
MAX_NAMES = 12  # levels compared that are named
CAPTION_SENTENCES = 1  # of the forest plot; details.md has all of them
SENTENCE_END = re.compile(r"(?<=[.!?]) (?=[A-Z])")
SCOPE = "Each answer holds for its task, data and recipe, no further."


def parts(
    tables: Tables,
    figures: Sequence[dict[str, str]],
    heading: str,
    training: Mapping[str, Sequence[str]],
) -> list[Part]:
    """The parts of the first screen, in their order; figures: of `pictures`.

    heading: of the answers; training: of `trainings`.
    """
    return [
        Part("the answer", answers(tables, heading, training), required=True),
        Part("the risk of collapse", shared_risks(tables), required=True),
        Part("what to do next", next_words(tables), required=True),
        *(Part(f"what trains in {task}", text) for task, text in trained(tables).items()),
        Part("the verdicts", glance(tables)),
        *(Part("the forest plot", picture(figure)) for figure in figures),
        Part("how to read it", caveats(tables)),
    ]


def answers(tables: Tables, heading: str, training: Mapping[str, Sequence[str]]) -> str:
    """What is compared, and a line per task with what to use."""
    levels = [str(level) for level in tables.plan.levels]
    names = levels[:MAX_NAMES]
    if len(levels) > len(names):
        names.append(f"{len(levels) - len(names)} more")
    compared = f"Compared: {tables.plan.compare} ({', '.join(names)}). {SCOPE}"
    lines = [f"## {heading}", "", prose(compared), ""]
    for task, settings in tables.plan.tasks.items():
        text = in_short(tables, task)
        trains = training[task][:1]
        words = f"{trains[0]} Verdicts: {text}" if trains else text
        lines.append(f"- **{prose(settings.title)}** ({prose(task)}): {prose(words)}")
    return "\n".join(lines)


def in_short(tables: Tables, task: str) -> str:
    """What to use in a task, and which verdicts of it depend on the recipe."""
    return recommendation.in_short(tables, task) + sensitivity_tables.over_recipes(tables, task)


def trainings(tables: Tables) -> dict[str, list[str]]:
    """Task -> what trains or survives in it, in sentences; the first is of all its runs."""
    sentences = {}
    for task in tables.plan.tasks:
        own = training_sentences.sentences(tables, task)
        sentences[task] = own or survival_tables.sentences(tables, task)
    return sentences


def shared_risks(tables: Tables) -> str:
    """The sentence on collapses that tasks share, empty if they share none."""
    tasks, text = risks.shared(tables)
    return prose(f"{listed(tasks)}: {text}") if tasks else ""


def next_words(tables: Tables) -> str:
    """What would decide what is open, in a few words, with a link to the whole; or nothing."""
    steps = next_steps.steps(tables, in_short=True)
    if not steps:
        return ""
    how = f"[How]({links.DETAILS}#{links.anchor(NEXT)})"
    return f"**{NEXT}.** {' '.join(steps)} {how}."


NEXT = "To decide what is open"


def trained(tables: Tables) -> dict[str, str]:
    """Task -> the table of where its levels train, of tasks that have one."""
    texts = {}
    for task in tables.plan.tasks:
        if text := training_sentences.table(tables, task):
            texts[task] = text
    return texts


def glance(tables: Tables) -> str:
    """The verdicts of all tasks in one table; empty if they are too many or there is none.

    Of one task and group a row per comparison; of several a row per level, a column for each.
    """
    rows = primary(tables.frames["contrasts"])
    places = rows[["task", "group"]].drop_duplicates()
    if rows.empty or len(places) > MAX_COLUMNS or rows["level"].nunique() > MAX_LEVELS:
        return ""
    if is_one(tables):
        return verdict_tables.overview(tables)
    heads: dict[tuple[str, str], str] = {}
    texts: dict[tuple[str, str, str], str] = {}
    for (task, group), part in rows.groupby(["task", "group"], sort=False):
        heads[task, group] = head(tables, task, group, part)
        size = scale.of_differences(tables.plan.tasks[task])
        for row in part.to_dict("records"):
            mean = f"{size.signed(row['mean'])} " if row["n"] else ""
            texts[row["level"], task, group] = f"{mean}{verdict_words(row)}"
    lines = []
    for level in rows["level"].unique():
        line = {tables.plan.compare: level}
        for (task, group), name in heads.items():
            line[name] = texts.get((level, task, group), "")
        lines.append(line)
    return markdown(lines, "")


def is_one(tables: Tables) -> bool:
    """Whether all comparisons are of one task and group, so that the table has a row for each."""
    rows = primary(tables.frames["contrasts"])
    return len(rows[["task", "group"]].drop_duplicates()) == 1


def head(tables: Tables, task: str, group: str, rows: pd.DataFrame) -> str:
    """The head of a column of verdicts: `mlp: difference from relu, points (n = 8)`."""
    settings = tables.plan.tasks[task]
    size = scale.of_differences(settings)
    n = " to ".join(f"{end}" for end in sorted({int(rows["n"].min()), int(rows["n"].max())}))
    lower = ", lower is better" if settings.sign < 0 else ""
    unit = f", {size.unit}" if size.unit else ""
    place = ", ".join(filter(None, [task, group]))
    return f"{place}: minus {settings.baseline}{unit}{lower} (n = {n})"


def pictures(
    tables: Tables, drawn_ones: Sequence[dict[str, str]], figures: Path, page: Path
) -> list[dict[str, str]]:
    """The figure that stands beside the answer: the forest plot, or the first one of a task.

    drawn_ones: those of all tasks that were drawn.
    """
    forest = [figure for figure in drawn_ones if figure["name"] == FOREST]
    for task, settings in tables.plan.tasks.items():
        names = task_figures(settings, on_page=True)
        forest = forest or links.figures(names, figures / task, page)[:1]
    return forest


def task_figures(settings: TaskPlan, on_page: bool) -> list[str]:
    """The figures of a task that summary.md may show, or the others."""
    of_page = registry.page_figures("TASK_FIGURES")
    names = [name for name in settings.figures if name != frameworks.FIGURE]  # in its section
    return [name for name in names if (name in of_page) == on_page]


def picture(figure: dict[str, str]) -> str:
    """A figure; of the forest plot's caption the first sentence."""
    if figure["name"] != FOREST:
        return drawn(figure)
    sentences = SENTENCE_END.split(figure["caption"])[:CAPTION_SENTENCES]
    return drawn({**figure, "caption": " ".join(sentences)})


def drawn(figure: dict[str, str]) -> str:
    """A figure with its caption."""
    return f"![{prose(figure['name'])}]({prose(figure['path'])})\n\n{prose(figure['caption'])}"


def caveats(tables: Tables) -> str:
    """What is to be known of the one table of verdicts; empty if tasks have tables of their own."""
    if not is_one(tables):
        return ""
    texts = [verdict_tables.lower_is_better(tables), verdict_tables.excluding_zero(tables)]
    return "\n\n".join(prose(text) for text in texts if text)
