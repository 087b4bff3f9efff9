"""The pages of a study: the summary with its answer, and the appendix with everything else."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from actstudy.analysis import scale
from actstudy.analysis.markdown import block, code, listed, markdown, metric_name
from actstudy.analysis.page import (
    activations,
    cell_groups,
    citation,
    compute_tables,
    frameworks,
    health_tables,
    incomplete,
    layouts,
    ledger,
    links,
    looks,
    next_steps,
    origins,
    recipes,
    recommendation,
    replication_tables,
    result_tables,
    risks,
    sensitivity_tables,
    survival_tables,
    template,
    training_sentences,
    trials_tables,
    tuning_tables,
    verdict_notes,
    verdict_tables,
)
from actstudy.analysis.questions import contrasts, early_health, procedure, stats
from actstudy.analysis.retry import study_command
from actstudy.analysis.tables import Tables
from actstudy.contract import registry
from actstudy.contract.layers import layered
from actstudy.contract.plan import Plan, TaskPlan
from actstudy.study.tries import results_folder

ANSWER = "forest"  # the figure of all tasks that stands beside the answer
BESIDE = (ANSWER, activations.FIGURE, *ledger.FIGURES)  # figures that stand in their own section
CONSTANTS = {
    "n_bins": registry.literal("tasks/metrics.py", "N_BINS"),
    "interval_level": f"{stats.LEVEL:.0%}",
    "early_share": f"{early_health.EARLY_SHARE:.0%}",
    "min_probe_runs": early_health.MIN_RUNS,
}


def render(tables: Tables, figures: Path, page: Path, partial: bool = False) -> str:
    """The Markdown of a study's summary, in which the answer comes first.

    page: the file that it is for; links to figures and tables are relative to its folder.
    """
    runs = tables.frames["runs"]
    unique_runs = runs.drop_duplicates("run_id")  # a tuned rate may be the fixed one
    missing = incomplete.rows(tables)
    tasks = [_summary_of(tables, task, figures, page) for task in tables.plan.tasks]
    drawn = links.figures(_study_figures(on_page=True), figures / "study", page)
    return template.fill(
        "summary.md.j2",
        tables,
        page,
        partial=partial,
        n_planned=len(unique_runs),
        n_completed=int((unique_runs["status"] == "completed").sum()),
        tasks=tasks,
        all_pairs=any(recommendation.ALL_PAIRS in task["answer"] for task in tasks),
        risks=_shared_risks(tables),
        verdicts=verdict_tables.overview(tables),
        excluding_zero=verdict_tables.excluding_zero(tables),
        lower_is_better=verdict_tables.lower_is_better(tables),
        left_out=verdict_tables.left_out(tables),
        next_steps=next_steps.steps(tables),
        answer_figures=[figure for figure in drawn if figure["name"] == ANSWER],
        figures=[figure for figure in drawn if figure["name"] not in BESIDE],
        ledger=ledger.section(tables, drawn),
        activations=activations.section(tables, drawn),
        frameworks=frameworks.sections(tables, figures, page),
        claims=_claims(tables),
        crossed=runs["group"].nunique() > 1,
        baselines=sorted({settings.baseline for settings in tables.plan.tasks.values()}),
        interval_levels=_interval_levels(tables),
        error_rate=_error_rate(tables.plan),
        **looks.rules(tables.plan),
        origins=origins.sentences(tables.plan, unique_runs),
        incomplete=missing[: incomplete.MAX_ROWS],
        n_unlisted=max(0, len(missing) - incomplete.MAX_ROWS),
        n_incomplete=len(tables.frames["incomplete"].drop_duplicates("run_id")),
        **_commands(tables.plan),
        provenance=origins.provenance(runs),
        date=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    )


def _commands(plan: Plan) -> dict[str, str]:
    """The commands that write the other pages."""
    names = {"appendix_command": "appendix.md", "explorer_command": "explorer.html"}
    return {command: code(page_command(plan, page)) for command, page in names.items()}


def render_appendix(tables: Tables, figures: Path, page: Path) -> str:
    """The Markdown of all tables, texts and figures that the summary leaves out."""
    return template.fill(
        "appendix.md.j2",
        tables,
        page,
        tasks=[_appendix_of(tables, task, figures, page) for task in tables.plan.tasks],
        by_rule=cell_groups.are_many(tables.frames["runs"]),
        constants=CONSTANTS,
        time=result_tables.time(tables.frames["runs"].drop_duplicates("run_id")),
        figures=links.figures(_study_figures(on_page=False), figures / "study", page),
        bibtex=citation.bibtex(),
    )


PAGES: dict[str, Callable[[Tables, Path, Path], str]] = {
    "summary": render,
    "appendix": render_appendix,
    "claims": ledger.render,
}


def page_command(plan: Plan, name: str) -> str:
    """The shell command that writes a page of the study's results, such as appendix.md."""
    overrides = dict(pair.split("=", 1) for pair in plan.overrides)
    return study_command(plan, f"{results_folder(plan.study, overrides)}/{name}")


def _study_figures(on_page: bool) -> list[str]:
    of_page = registry.page_figures("STUDY_FIGURES")
    return [name for name in registry.study_figures() if (name in of_page) == on_page]


def _task_figures(settings: TaskPlan, on_page: bool) -> list[str]:
    of_page = registry.page_figures("TASK_FIGURES")
    names = [name for name in settings.figures if name != frameworks.FIGURE]  # in its section
    return [name for name in names if (name in of_page) == on_page]


def _summary_of(tables: Tables, task: str, figures: Path, page: Path) -> dict[str, Any]:
    """A task's part of the summary."""
    settings = tables.plan.tasks[task]
    return {
        **vars(settings),
        "name": task,
        "metric_name": metric_name(settings.metric),
        "margin_text": scale.of_differences(settings).amount(settings.margin),
        "answer": f"{recommendation.answer(tables, task)}{frameworks.seen(tables, task)}"
        + sensitivity_tables.over_recipes(tables, task),
        "training": training_sentences.sentences(tables, task)
        or survival_tables.sentences(tables, task),
        "data": result_tables.data_sentences(tables, task),
        "recipe_sentences": recipes.sentences(tables, task),
        "survival": survival_tables.section(tables, task),
        "means": layouts.choose(tables, task).means(tables, task),
        "sensitivity": sensitivity_tables.section(tables, task),
        "trials": trials_tables.sentences(tables, task),
        "tables": links.task_tables(task, page),
        "notes": verdict_notes.notes(tables, task),
        "health": health_tables.in_short(tables, task),
        "figures": links.figures(_task_figures(settings, True), figures / task, page),
    }


def _appendix_of(tables: Tables, task: str, figures: Path, page: Path) -> dict[str, Any]:
    """A task's part of the appendix."""
    settings = tables.plan.tasks[task]
    layout = layouts.choose(tables, task)
    return {
        **vars(settings),
        "name": task,
        "metric_name": metric_name(settings.metric),
        "early_ends": result_tables.early_ends(tables, task),
        "recipe_block": _recipe(settings),
        "results": layout.results(tables, task),
        "contrasts": layout.contrasts(tables, task),
        "all_pairs": verdict_tables.all_pairs(tables, task),
        "tuning": tuning_tables.sentences(tables, task),
        "deviations": sensitivity_tables.deviations(tables, task),
        "trials_table": trials_tables.table(tables, task),
        "targets_table": layout.targets(tables, task),
        "compute": compute_tables.compute(tables, task),
        "gpu_use": compute_tables.gpu_use(tables, task),
        "health": layout.findings(tables, task),
        "early": health_tables.early(tables, task),
        "figures": links.figures(_task_figures(settings, False), figures / task, page),
    }


def _shared_risks(tables: Tables) -> str:
    tasks, text = risks.shared(tables)
    return f"{listed(tasks)}: {text}" if tasks else ""


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


def _claims(tables: Tables) -> dict[str, Any] | None:
    """The sentences and the table of the study's claims, None if it makes no claims."""
    stated = tables.plan.claims
    if not stated:
        return None
    table = tables.frames["replication"]
    return {
        "sentences": replication_tables.claim_sentences(table, stated),
        "table": markdown(replication_tables.claim_rows(table)),
    }


def _recipe(settings: TaskPlan) -> str:
    """The run fields that all runs share, with crossed axes as lists, as a YAML block."""
    recipe = layered(settings.recipe, settings.axes)
    text = yaml.safe_dump(recipe, sort_keys=True, default_flow_style=None, width=110)
    return block(text.strip(), "yaml")
