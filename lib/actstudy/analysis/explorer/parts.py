"""The parts of a study's page: which it has, with their texts, figures and tables."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from markupsafe import Markup

from actstudy.analysis.explorer import forest, lines, maps, points, reliability, texts, training
from actstudy.analysis.explorer.figure import Drawing
from actstudy.analysis.explorer.texts import Section
from actstudy.analysis.questions.factors import crosses_framework
from actstudy.analysis.tables import Tables
from actstudy.contract.errors import visible

Draw = Callable[[Tables, str], Drawing | None]
Say = Callable[[Tables, str], Markup]
ANY_TASK = ""  # of a text that is about no single task
NONE: Mapping[str, Markup] = {}


@dataclass(frozen=True)
class Kind:
    """What a part may hold.

    heads: of sections of the summary and its details, subheads: of those of tasks in the appendix,
    each by its first words; draws: figures per task; tables: by name, `all` for every one that
    there is; every_task: whether these have the rows of all tasks together; asks: the table without
    which texts and figures would say what is not so; says: words per task above a table of it.
    """

    name: str
    title: str
    heads: tuple[str, ...] = ()
    subheads: tuple[str, ...] = ()
    draws: tuple[Draw, ...] = ()
    tables: tuple[str, ...] = ()
    every_task: bool = False
    asks: str = ""
    says: Say | None = None


@dataclass(frozen=True)
class Part:
    """A part of a page: HTML per task (ANY_TASK: of no single one), figures, names of tables."""

    name: str
    title: str
    texts: dict[str, Markup] = field(default_factory=dict)
    drawings: list[Drawing] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    every_task: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether the study has nothing for it."""
        return not (any(self.texts.values()) or self.drawings or self.tables)


ANSWERS = ("What holds", "Answer", "The claims", "The differences", "The activations", "To decide")
SOURCES = "components"  # a table of frameworks or of recipes
TASKS = "a task's section"  # stands for the sections of the summary that are named after tasks
KINDS = (
    Kind("answer", "Answer", heads=ANSWERS),
    Kind("decision", "Decide"),
    Kind("forest", "Differences", draws=(forest.forest, forest.activation_forest)),
    Kind("curves", "Curves", draws=(lines.curves,)),
    Kind("tables", "Tables", tables=("all",)),
    Kind("results", "Results", heads=(TASKS,), subheads=("All test values",), asks="cells"),
    Kind("pairs", "Pairs", draws=(maps.pairs,)),
    Kind("depth", "Depth", draws=(maps.depth,), asks="curves"),
    Kind(
        "rates",
        "Learning rates",
        subheads=("Fixed and tuned",),
        draws=(lines.rates,),
        tables=("tuning",),
    ),
    Kind(
        "recipe_range",
        "What moves the result",
        subheads=("What moves the result",),
        tables=("recipe_verdicts", SOURCES),
    ),
    Kind("trials", "Best of k", subheads=("What k trials give",), tables=("best_of",)),
    Kind(
        "targets",
        "Targets",
        subheads=("Steps and seconds",),
        draws=(points.targets,),
        asks="targets",
    ),
    Kind(
        "cost",
        "Cost",
        subheads=("Time and memory", "Where the time"),
        draws=(points.costs,),
        asks="pareto",
    ),
    Kind("calibration", "Calibration", draws=(reliability.reliability,)),
    Kind(
        "health",
        "Health",
        subheads=("Health findings", "Does early health"),
        draws=(maps.health,),
        tables=("findings", "early", "learnt"),
        asks="findings",
    ),
    Kind(
        "parity",
        "Frameworks",
        heads=("Framework,",),
        tables=("parity", "effects", "speed", SOURCES),
    ),
    Kind(
        "claims",
        "Claims",
        heads=("Published values",),
        tables=("claims", "readings", "replication"),
    ),
    Kind("survival", "Survival", tables=("survival",), says=training.of_survival),
    Kind("failures", "Not completed", tables=("incomplete",), every_task=True),
    Kind("recipe", "Recipe", subheads=("Recipe",)),
    Kind("method", "How to read", heads=("How to read", "Notes")),
    Kind("cite", "Cite", heads=("How to cite",)),
)


def parts(
    tables: Tables,
    names: Iterable[str],
    sections: list[Section],
    introductions: Mapping[str, Markup] = NONE,
) -> list[Part]:
    """The parts that a study has something for.

    names: of the tables that the page carries; sections: of summary, details, appendix;
    introductions: part -> a text of no single task.
    """
    there = []
    carried = list(names)
    for kind in KINDS:
        is_known = kind.asks not in tables.absent
        words = by_task(tables, kind, sections) if is_known else {}
        if kind.name in introductions:
            words = {ANY_TASK: introductions[kind.name], **words}
        named = tables_of(kind, tables, carried)
        if kind.says and named:
            words |= {task: kind.says(tables, task) for task in tables.plan.tasks}
        part = Part(
            kind.name,
            kind.title,
            words,
            drawings(tables, kind) if is_known else [],
            named,
            kind.every_task,
        )
        if not part.is_empty:
            there.append(part)
    return there


def tables_of(kind: Kind, tables: Tables, carried: list[str]) -> list[str]:
    """The tables of a part among those that the page carries."""
    if kind.tables == ("all",):
        return carried
    is_crossed = any(crosses_framework(settings) for settings in tables.plan.tasks.values())
    names = [name for name in kind.tables if name in carried]
    if kind.name == ("recipe_range" if is_crossed else "parity"):
        names = [name for name in names if name != SOURCES]
    return names


def drawings(tables: Tables, kind: Kind) -> list[Drawing]:
    """The figures of a part, of every task that has data for them."""
    drawn = []
    for task in tables.plan.tasks:
        for draw in kind.draws:
            drawing = draw(tables, task)
            if drawing is not None:
                drawn.append(drawing)
    return drawn


def by_task(tables: Tables, kind: Kind, sections: list[Section]) -> dict[str, Markup]:
    """Task -> the HTML of the sections that a part takes, ANY_TASK -> those of no single task."""
    tasks: dict[str, str] = {}
    for task, settings in tables.plan.tasks.items():
        tasks.setdefault(visible(" ".join(settings.title.split())), task)
    sections_by_task: dict[str, list[Section]] = {}
    for section in sections:
        task = tasks.get(section.head, ANY_TASK)
        if takes(kind, section, task):
            sections_by_task.setdefault(task, []).append(section)
    return {task: texts.joined(own) for task, own in sections_by_task.items()}


def takes(kind: Kind, section: Section, task: str) -> bool:
    """Whether a section belongs to a part; task: that it is of, or ANY_TASK."""
    if task and section.subhead:
        if kind.heads == (TASKS,) and section.subhead in ("Survival", "Test values"):
            return True
        return section.subhead.startswith(kind.subheads or ("\n",))
    if task:
        return TASKS in kind.heads
    if section.head == "Over all tasks":
        return section.subhead.startswith(kind.subheads or ("\n",))
    return section.head.startswith(kind.heads or ("\n",))
