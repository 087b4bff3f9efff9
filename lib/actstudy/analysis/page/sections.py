"""The sections below the first screen: the parts of each, those that fit and those that do not."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

from actstudy.analysis import scale
from actstudy.analysis.markdown import listed, markdown, metric_name, prose
from actstudy.analysis.page import (
    activations,
    first_screen,
    frameworks,
    health_tables,
    layouts,
    links,
    recipes,
    recommendation,
    replication_tables,
    result_tables,
    screens,
    sensitivity_tables,
    survival_tables,
    trials_tables,
    verdict_notes,
    verdict_tables,
)
from actstudy.analysis.page.screens import Part
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import TaskPlan

HEAD = 2  # lines of a section's heading
LINK = 3  # lines of the sentence on what stands elsewhere
DEVIATIONS = (
    "Standard deviations of the sources, with 95% intervals, over the seeds that have a "
    "typical run in every cell. What chance alone adds to framework, back end, activation and "
    "seed is taken off; where nothing is left it is *not above its noise*, and at most what "
    "stands in brackets, which is no proof of 0. Two levels of a source lie sqrt(2) standard "
    "deviations apart. Framework: torch against the mean of its Keras back ends, over the "
    "activations; the row framework x activation says how much that mean hides. Seed: what "
    "all runs of a seed share; residual: what is each run's own; another seed: both, what "
    "another seed does to one cell. A source is called larger than another only if their "
    "intervals do not overlap, which is wrong in at most 5% of such sentences, each by "
    "itself."
)
DIFFERENCES = (
    "Runs of one seed that differ in one factor alone; nothing is averaged over models, data, "
    "activations or precisions. The typical size is the root mean square of the differences, what "
    "a single run may differ by. Each factor has its own 5% of false verdicts, but for pairs that "
    "the answer above, or the family of all pairs, has already judged."
)


@dataclass(frozen=True)
class Section:
    """A section of summary.md: its heading, its parts that fit on two screens, and the others."""

    heading: str
    parts: Sequence[Part]
    there: list[Part] = field(init=False)
    rest: list[Part] = field(init=False)

    def __post_init__(self) -> None:
        there, rest = screens.fit(self.parts, screens.SECTION - HEAD - LINK)
        by_heading = attrgetter("has_heading")  # last, as what follows would fall under it
        object.__setattr__(self, "there", sorted(there, key=by_heading))
        object.__setattr__(self, "rest", sorted(rest, key=by_heading))

    @property
    def elsewhere(self) -> str:
        """What of the section stands in details.md, as a sentence with a link; or nothing."""
        if not self.rest:
            return ""
        names = listed(list(dict.fromkeys(prose(part.name) for part in self.rest)))
        return f"In [{links.DETAILS}]({links.DETAILS}#{links.anchor(self.heading)}): {names}."


def of_task(
    tables: Tables,
    task: str,
    drawn: Sequence[dict[str, str]],
    training: Sequence[str],
    page: Path,
) -> Section:
    """The section of a task; drawn: its figures; training: of `first_screen.trainings`."""
    settings = tables.plan.tasks[task]
    parts = [
        Part("the answer in full", in_full(tables, task, training)),
        Part("metric and margin", of_metric(settings), required=True),
        Part("test values", means(tables, task)),
        Part("the verdicts", verdicts(tables, task)),
        *(Part(f"figure {figure['name']}", first_screen.drawn(figure)) for figure in drawn),
        Part("notes", bullets(notes(tables, task))),
        Part("what moves the result", sensitivity_tables.part(tables, task)),
        Part("what k trials give", trials_tables.part(tables, task)),
        Part("data", of_data(tables, task)),
        Part("recipe", "\n".join(recipes.sentences(tables, task))),
        Part("survival", survival(tables, task)),
        Part("tables", f"Tables: {links.task_tables(task, page)}.", required=True),
    ]
    return Section(settings.title, parts)


def in_full(tables: Tables, task: str, training: Sequence[str]) -> str:
    """All sentences of a task's answer, if the first screen has not said them all."""
    lines = list(training[1:])
    seen = frameworks.seen(tables, task)
    if recommendation.is_said_in_short(tables, task):
        return bullets(filter(None, [*lines, seen.strip()]))
    whole = f"{recommendation.answer(tables, task)}{seen}"
    whole += sensitivity_tables.over_recipes(tables, task)
    if whole != first_screen.in_short(tables, task):
        lines.append(whole)
    return bullets(lines)


def bullets(sentences: Iterable[str]) -> str:
    """Sentences as a list."""
    return "\n".join(f"- {prose(sentence)}" for sentence in sentences)


def of_metric(settings: TaskPlan) -> str:
    """What is compared, and which difference matters."""
    better = "higher" if settings.higher_is_better else "lower"
    margin = scale.of_differences(settings).amount(settings.margin)
    text = f"Test {metric_name(settings.metric)}, {better} is better. The margin is {margin} "
    text += f"({settings.margin_reason}"
    key = "; `margin: ...` in the task's block sets another"
    return f"{prose(text)}{key if 'chosen for' in settings.margin_reason else ''})."


def means(tables: Tables, task: str) -> str:
    """The table of test values, or where it is; empty if they are not there."""
    if tables.lacks and tables.reported(task).empty:
        return ""
    table = layouts.choose(tables, task).means(tables, task)
    return table or "The test values of all cells are in the appendix."


def verdicts(tables: Tables, task: str) -> str:
    """The comparisons of a task with intervals and seeds to add, if the first screen has none."""
    if first_screen.is_one(tables) and first_screen.glance(tables):
        return ""
    texts = [verdict_tables.overview(tables, [task])]
    if task in verdict_tables.left_out(tables):
        texts = [layouts.choose(tables, task).contrasts(tables, task)]
    elif texts[0]:
        if tables.plan.tasks[task].sign < 0:
            texts.append("Lower is better, so a negative difference is one for the better.")
        texts.append(prose(verdict_tables.excluding_zero(tables, [task])))
    return "\n\n".join(filter(None, texts))


def notes(tables: Tables, task: str) -> list[str]:
    """What limits the verdicts of a task, and its health."""
    health = health_tables.in_short(tables, task)
    return list(filter(None, [*verdict_notes.notes(tables, task), health]))


def of_data(tables: Tables, task: str) -> str:
    """Which data are not whole, or somebody's own."""
    sentences = result_tables.data_sentences(tables, task)
    return "\n\n".join(f"**Data: {prose(sentence)}.**" for sentence in sentences)


def survival(tables: Tables, task: str) -> str:
    """The tables of survival, and how to read them; empty without any."""
    section = survival_tables.section(tables, task)
    if not section["cells"]:
        return ""
    tables_of_runs = f"{section['cells']}\n\n{section['by_axis']}"
    return f"### Survival\n\n{tables_of_runs}\n\n{prose(section['note'])}"


def of_activations(tables: Tables, figures: Sequence[dict[str, str]]) -> Section | None:
    """What the runs say of activations if the study compares something else; None without it."""
    own = activations.section(tables, figures)
    if own is None:
        return None
    levels = ", ".join(own["levels"])
    intro = (
        f"The same runs, read the other way: activations ({levels}) are compared within each "
        f"{own['compare']}. It is a family of comparisons of its own, with its own 5% of false "
        "verdicts."
    )
    answers = []
    for answer in own["answers"]:
        name = f"**{prose(answer['title'])}** ({prose(answer['name'])})"
        answers.append(f"- {name}: {prose(answer['text'])}")
    left_out = ""
    if own["left_out"]:
        left_out = (
            "As they are many, in `tables/activation_contrasts.csv` alone: the verdicts of "
            f"{prose(', '.join(own['left_out']))}."
        )
    parts = [
        Part("what is compared", prose(intro), required=True),
        Part("the answers", "\n".join(answers)),
        *(Part("the forest plot", first_screen.drawn(figure)) for figure in own["figures"]),
        Part("the verdicts", own["verdicts"]),
        Part("what is left out", left_out, required=True),
    ]
    return Section("The activations", parts)


def of_frameworks(tables: Tables, figures: Path, page: Path) -> list[Section]:
    """A section per task that crosses frameworks."""
    return [framework_section(own, page) for own in frameworks.sections(tables, figures, page)]


def framework_section(own: dict[str, Any], page: Path) -> Section:
    """Framework, activation or seed, for one task; own: of `frameworks.sections`."""
    parity = links.of_page(page)["parity"]
    checks = f"- Every parity check of every cell: {parity}."
    without = bullets(own["without_deviations"])
    speed = "\n\n".join(filter(None, [own["speed"], bullets(own["speed_notes"])]))
    parts = [
        Part("sentences", f"{bullets(own['sentences'])}\n{checks}"),
        *(Part("figure effects", first_screen.drawn(figure)) for figure in own["figures"]),
        Part("differences", explained(DIFFERENCES, own["differences"])),
        Part("standard deviations", explained(DEVIATIONS, own["deviations"])),
        Part("what has no standard deviation", without),
        Part("speed", f"### Speed\n\n{speed}" if speed else ""),
    ]
    return Section(f"Framework, activation or seed? {own['title']} ({own['name']})", parts)


def explained(words: str, table: str) -> str:
    """A table below what it means; empty without one."""
    return f"{words}\n\n{table}" if table else ""


def of_published(tables: Tables) -> Section | None:
    """Published values beside those of the study; None if it claims none."""
    stated = tables.plan.claims
    if not stated:
        return None
    table = tables.frames["replication"]
    sentences = prose(" ".join(replication_tables.claim_sentences(table, stated)))
    parts = [
        Part("what holds", sentences, required=True),
        Part("every value", markdown(replication_tables.claim_rows(table))),
    ]
    return Section("Published values and those of this study", parts)
