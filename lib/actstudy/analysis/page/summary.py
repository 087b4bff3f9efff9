"""The pages of a study: summary.md with its answer, details.md with what that has no room for."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from actstudy.analysis.markdown import code, listed
from actstudy.analysis.page import (
    activations,
    appendix,
    better,
    first_screen,
    incomplete,
    ledger,
    links,
    looks,
    next_steps,
    origins,
    recommendation,
    screens,
    sections,
    template,
)
from actstudy.analysis.page.screens import Part
from actstudy.analysis.page.sections import Section
from actstudy.analysis.questions import contrasts, procedure
from actstudy.analysis.retry import study_command
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import Plan
from actstudy.study.tries import results_folder

BESIDE = (activations.FIGURE, *ledger.FIGURES)  # figures that stand in their own section
TITLE = 2  # lines of the page's title
DIFFERENCES = "The differences"  # heading of what the first screen has no room for
MAX_INCOMPLETE = 10  # runs that summary.md names; details.md names more


@dataclass(frozen=True)
class Content:
    """What stands on both pages: parts of the first screen, sections, and figures of all tasks."""

    first: list[Part]
    sections: list[Section]
    figures: list[dict[str, str]]


def content(tables: Tables, figures: Path, page: Path) -> Content:
    """The content of a study's pages; page: the file that links are for."""
    drawn = links.figures(appendix.study_figures(on_page=True), figures / "study", page)
    claims = ledger.section(tables, drawn)
    beside = first_screen.pictures(tables, drawn, figures, page)
    heading = "Answer of the runs" if claims else "Answer"
    training = first_screen.trainings(tables)
    parts = ledger.head(claims) + first_screen.parts(tables, beside, heading, training)
    room = screens.SCREEN - TITLE - above(tables)
    first, rest = screens.fit(parts, room)
    pieces: list[Section | None] = [
        Section(DIFFERENCES, rest) if rest else None,
        ledger.claims_section(claims),
        sections.of_activations(tables, drawn),
        *sections.of_frameworks(tables, figures, page),
        sections.of_published(tables),
    ]
    for task, settings in tables.plan.tasks.items():
        names = first_screen.task_figures(settings, on_page=True)
        own = [each for each in links.figures(names, figures / task, page) if each not in beside]
        pieces.append(sections.of_task(tables, task, own, training[task], page))
    there = [section for section in pieces if section is not None]
    return Content(first, there, [figure for figure in drawn if figure["name"] not in BESIDE])


def above(tables: Tables) -> int:
    """The lines of the sentences between the title and the answer."""
    texts = [*origins_of(tables), tables.plan.note or ""]
    return sum(screens.space_of(Part("", f"**{text}.**")) for text in texts if text)


def origins_of(tables: Tables) -> list[str]:
    """What is said of tables that are not whole, of own code and of runs on other data."""
    unique_runs = tables.frames["runs"].drop_duplicates("run_id")
    lacks = [tables.lacks] if tables.lacks else []
    return lacks + origins.sentences(tables.plan, unique_runs)


def render(
    tables: Tables, figures: Path, page: Path, partial: bool = False, own: Content | None = None
) -> str:
    """The Markdown of a study's summary, in which the answer comes first.

    page: the file that it is for; links to figures and tables are relative to its folder. Its first
    screen and each section take the lines of `screens`; the rest is in `render_details`. own: of
    `content`, if it is known.
    """
    runs = tables.frames["runs"]
    unique_runs = runs.drop_duplicates("run_id")  # a tuned rate may be the fixed one
    missing = incomplete.rows(tables)
    own = own or content(tables, figures, page)
    return template.fill(
        "summary.md.j2",
        tables,
        page,
        partial=partial,
        n_planned=len(unique_runs),
        n_completed=int((unique_runs["status"] == "completed").sum()),
        ledger=ledger.title(tables),
        origins=origins_of(tables),
        first=own.first,
        sections=own.sections,
        incomplete=missing[:MAX_INCOMPLETE],
        n_unlisted=max(0, len(missing) - MAX_INCOMPLETE),
        n_incomplete=len(tables.frames["incomplete"].drop_duplicates("run_id")),
        **_commands(tables.plan),
        provenance=tables.origin or origins.provenance(runs),
        date=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    )


def render_details(tables: Tables, figures: Path, page: Path, own: Content | None = None) -> str:
    """The Markdown of what the summary has no room for, and of how to read both.

    page, own: as of `render`.
    """
    own = own or content(tables, figures, page)
    missing = incomplete.rows(tables)
    answers = [recommendation.answer(tables, task) for task in tables.plan.tasks]
    return template.fill(
        "details.md.j2",
        tables,
        page,
        sections=[section for section in own.sections if section.rest],
        next_heading=first_screen.NEXT,
        next_steps=next_steps.steps(tables),
        figures=own.figures,
        all_pairs=any(better.ALL_PAIRS in answer for answer in answers),
        over_recipes=not tables.frames["recipe_verdicts"].empty,
        crossed=tables.frames["runs"]["group"].nunique() > 1,
        baselines=sorted({settings.baseline for settings in tables.plan.tasks.values()}),
        interval_levels=_interval_levels(tables),
        error_rate=_error_rate(tables.plan),
        **looks.rules(tables.plan),
        incomplete=missing[MAX_INCOMPLETE : incomplete.MAX_ROWS],
        n_unlisted=max(0, len(missing) - incomplete.MAX_ROWS),
    )


def write(tables: Tables, figures: Path, page: Path, partial: bool = False) -> None:
    """Write a summary, and its details beside it."""
    own = content(tables, figures, page)
    details = page.with_name(links.DETAILS)
    texts = {
        details: render_details(tables, figures, details, own),
        page: render(tables, figures, page, partial, own),
    }
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")


def _commands(plan: Plan) -> dict[str, str]:
    """The commands that write the other pages."""
    names = {"appendix_command": "appendix.md", "explorer_command": "explorer.html"}
    return {command: code(page_command(plan, page)) for command, page in names.items()}


render_appendix = appendix.render
PAGES: dict[str, Callable[[Tables, Path, Path], str]] = {
    "summary": render,
    "details": render_details,
    "appendix": render_appendix,
    "claims": ledger.render,
}


def page_command(plan: Plan, name: str) -> str:
    """The shell command that writes a page of the study's results, such as appendix.md."""
    overrides = dict(pair.split("=", 1) for pair in plan.overrides)
    return study_command(plan, f"{results_folder(plan.study, overrides)}/{name}")


def _interval_levels(tables: Tables) -> str:
    """The levels of the intervals of contrasts with the baseline, in words."""
    levels = contrasts.primary(tables.frames["contrasts"])["interval_level"].dropna()
    return listed(sorted({f"{100 * level:g}%" for level in levels}), "or")


def _error_rate(plan: Plan) -> str:
    """The share of false verdicts that each task may have, in words."""
    share = contrasts.family_share(plan)
    rate = f"{100 * procedure.ALPHA * share:g}%"
    if share < 1:
        rate += f" (its share of the study's {procedure.ALPHA:.0%})"
    return rate
