"""Studies side by side as a page to explore: what differs, cell by cell, with the runs."""

import itertools
from collections.abc import Sequence

import pandas as pd
from markupsafe import Markup

from actstudy.analysis import evidence, stored
from actstudy.analysis.explorer import columns, datasets, decision, page, texts, thinning
from actstudy.analysis.explorer.parts import ANY_TASK, Part
from actstudy.analysis.markdown import listed
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import Plan
from actstudy.contract.schema import CELL
from actstudy.judging.studies import besides, drawn, recipes
from actstudy.judging.studies import page as markdown_page
from actstudy.judging.studies.beside import Study
from actstudy.judging.studies.page import Comparison

READ = ("compared", "cells", "contrasts", "runs")  # tables to read, in their order
FIRST_COLUMNS = "task level group other n_first mean_first n_other mean_other n_pairs difference"
FIRST_COLUMNS += " low high unit pairs verdict_first verdict_other"
ORIGINS = "Where they come from"  # a heading of the Markdown page
METHOD = (
    "Every other study is compared with the first, cell by cell: a level in the same group. "
    "Every number was computed once, when this page was written, by the command compare."
)


def render(comparisons: Sequence[Comparison]) -> str:
    """The HTML of the page of comparisons with one first study."""
    studies = studies_of(comparisons)
    cells, _ = evidence.cells([study.results.place for study in studies])
    decided = decision.decision(cells, files_of(studies)) if cells else None
    for share in thinning.SHARES:
        text = of_share(comparisons, decided, share)
        if len(text.encode("utf-8")) <= page.MAX_BYTES:
            break
    return text


def studies_of(comparisons: Sequence[Comparison]) -> list[Study]:
    """The first study, then all that are compared with it."""
    return [comparisons[0].first, *(comparison.other for comparison in comparisons)]


def files_of(studies: Sequence[Study]) -> list[str]:
    """The study files of some studies, as far as they are there."""
    return [file for study in studies if (file := stored.plan_of(study.results.place)[1])]


def of_share(
    comparisons: Sequence[Comparison], decided: decision.Decision | None, share: float
) -> str:
    """The page with tables of a share of the limits of `thinning`."""
    first = comparisons[0].first
    thinned = {
        name: thinning.rows(name, frame, share) for name, frame in frames_of(comparisons).items()
    }
    frames = {name: part.frame for name, part in thinned.items() if len(part.frame)}
    left_out = [part.left_out for part in thinned.values() if part.left_out]
    there = parts_of(comparisons, frames)
    if decided:
        words = {ANY_TASK: Markup("<p>{}</p>").format(decision.INTRODUCTION)}
        there.insert(1, Part("decision", "Decide", words))
        left_out += [decided.left_out] if decided.left_out else []
    plan = plan_of(comparisons)
    model = page.model(plan, there, frames, decided)
    model["first_columns"] = {**model["first_columns"], "compared": FIRST_COLUMNS.split()}
    model["notes"] = {}
    names = [study.name for study in studies_of(comparisons)]
    return page.whole(
        page.Shell(
            title=columns.displayed(f"{listed(names)} side by side"),
            notes=warnings(comparisons),
            facts=Markup("{} studies, compared with {}").format(len(names), first.name),
            titles={task: settings.title for task, settings in plan.tasks.items()},
            parts=there,
            left_out=left_out,
            versions="",
            model=model,
        )
    )


def warnings(comparisons: Sequence[Comparison]) -> Markup:
    """What stands on top of the page: the studies whose data differ, task by task."""
    texts = []
    for first, other, _, recipe, _ in comparisons:
        texts += recipes.other_data(recipe, first.name, other.name)
    return Markup("\n").join(Markup("<p>Other data: {}</p>").format(text) for text in texts)


def plan_of(comparisons: Sequence[Comparison]) -> Plan:
    """The first study's plan with the tasks that are compared, and the levels of all studies."""
    studies = studies_of(comparisons)
    own = dict(vars(studies[0].plan))
    tasks = set(pd.concat([comparison.cells["task"] for comparison in comparisons]))
    own["tasks"] = {name: task for name, task in own["tasks"].items() if name in tasks}
    levels = itertools.chain.from_iterable(study.plan.levels for study in studies)
    own["levels"] = list(dict.fromkeys(levels))
    return Plan(**{**own, "study": listed([study.name for study in studies])})


def frames_of(comparisons: Sequence[Comparison]) -> dict[str, pd.DataFrame]:
    """The tables of the page: those of comparisons, then those of each study with its name."""
    studies = studies_of(comparisons)
    frames = {
        "compared": pd.concat([comparison.cells for comparison in comparisons]),
        "pairs_of_cells": besides.pairs(comparisons),
        "seeds_of_pairs": besides.seeds(comparisons),
        "sides": besides.sides(studies),
        "mean_curves": joined({study.name: besides.mean_curves(study) for study in studies}),
        "runs": joined({study.name: runs_of(study) for study in studies}),
    }
    for name in ("cells", "verdicts"):
        table = "contrasts" if name == "verdicts" else name
        frames[table] = joined({study.name: getattr(study, name) for study in studies})
    if "places" in frames["runs"]:
        own = frames["runs"].dropna(subset=["places"])
        frames["groups"] = datasets.groups(Tables(comparisons[0].first.plan, {"runs": own}))
        frames["runs"] = datasets.with_words(frames["runs"])
    return frames


def joined(by_study: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The rows of several studies' tables, with the name of their study first."""
    parts = []
    for name, frame in by_study.items():
        if len(frame):
            parts.append(pd.concat({name: frame.reset_index(drop=True)}, names=["study", "row"]))
    if not parts:
        return pd.DataFrame(columns=["study", *CELL])
    rows = pd.concat(parts).reset_index("study").reset_index(drop=True)
    return rows.dropna(axis=1, how="all")


def runs_of(study: Study) -> pd.DataFrame:
    """A study's runs, with the command that runs each again if the tables say how each ended."""
    runs = study.runs
    if "reason" not in runs:
        return runs
    return runs.assign(rerun=datasets.commands(runs, study.plan))


def parts_of(comparisons: Sequence[Comparison], frames: dict[str, pd.DataFrame]) -> list[Part]:
    """The parts of the page."""
    plan = plan_of(comparisons)
    sections = texts.sections(markdown_page.page(comparisons))
    differing = [section for section in sections if section.subhead == "What differs"]
    origins = [section for section in sections if section.head == ORIGINS]
    figures = drawn.figures(comparisons, plan, frames)
    there = [Part("differs", "What differs", {ANY_TASK: headed([*differing, *origins])})]
    for name, title in drawn.PARTS.items():
        if figures[name]:
            there.append(Part(name, title, drawings=figures[name]))
    by_task = {}
    for task in plan.tasks:
        own = [section for section in sections if section.subhead.startswith(f"{task}: test ")]
        by_task[task] = headed(own)
    there.append(Part("results", "Cell by cell", by_task))
    there.append(Part("tables", "Tables", tables=[name for name in READ if name in frames]))
    words = Markup("<p>{}</p>").format(f"{METHOD} {markdown_page.INTERVALS}")
    return [*there, Part("method", "How to read", {ANY_TASK: words})]


def headed(sections: Sequence[texts.Section]) -> Markup:
    """The HTML of sections, each under both of its headings."""
    parts = []
    for section in sections:
        parts.append(Markup("<h3>{}</h3>").format(section.head))
        parts.append(section.html)
    return Markup("\n").join(parts)
