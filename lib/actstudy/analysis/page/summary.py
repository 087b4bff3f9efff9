"""The summary page: what was compared, the results, on how many seeds, and what did not finish."""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml
from markupsafe import Markup

from actstudy.analysis.markdown import block, cell_name, code, markdown, metric_name, number, prose
from actstudy.analysis.page import (
    best_means,
    cell_groups,
    compute_tables,
    health_tables,
    layouts,
    origins,
    replication_tables,
    result_tables,
    tuning_tables,
    verdict_sentence,
    verdict_tables,
)
from actstudy.analysis.questions import contrasts, early_health, procedure, stats
from actstudy.analysis.retry import rerun_command
from actstudy.analysis.tables import Tables
from actstudy.contract import registry
from actstudy.contract.plan import Plan, TaskPlan
from actstudy.contract.spec import layered

TEMPLATES = Path(__file__).parent
CONSTANTS = {
    "n_bins": registry.literal("tasks/metrics.py", "N_BINS"),
    "front_draws": f"{stats.FRONT_DRAWS:,}",
    "interval_level": f"{stats.LEVEL:.0%}",
    "early_share": f"{early_health.EARLY_SHARE:.0%}",
    "min_probe_runs": early_health.MIN_RUNS,
}


def render(tables: Tables, figures: Path, page: Path, partial: bool = False) -> str:
    """The Markdown text of a study's page; figures are linked relative to the folder of `page`."""
    runs = tables.frames["runs"]
    unique_runs = runs.drop_duplicates("run_id")  # a tuned rate may be the fixed one
    return (
        _environment()
        .get_template("summary.md.j2")
        .render(
            plan=tables.plan,
            n_planned=len(unique_runs),
            n_completed=int((unique_runs["status"] == "completed").sum()),
            partial=partial,
            tasks=[_task(tables, task, figures, page) for task in tables.plan.tasks],
            **_overview(tables),
            claims=_claims(tables),
            error_rate=_error_rate(tables.plan),
            constants=CONSTANTS,
            time=result_tables.time(unique_runs),
            figures=_figures(registry.study_figures(), figures / "study", page),
            origins=origins.sentences(tables.plan, unique_runs),
            incomplete=_incomplete(tables),
            provenance=origins.provenance(runs),
            date=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        )
    )


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=escape_untrusted,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def escape_untrusted(value: object) -> Markup:
    """A value of the template, escaped unless it is Markdown already: names may hold anything."""
    if isinstance(value, Markup):
        return value
    return Markup(prose(value))  # noqa: S704  (escaped)


def _overview(tables: Tables) -> dict[str, str]:
    """The tables with a row per cell and a column per task; empty for too many cells."""
    cells = tables.frames["cells"][["group", "level"]].drop_duplicates()
    if len(cells) > cell_groups.MAX_CELLS:
        return {"glance": "", "ranks": ""}
    return {"glance": result_tables.glance(tables), "ranks": result_tables.mean_ranks(tables)}


def _task(tables: Tables, task: str, figures: Path, page: Path) -> dict[str, Any]:
    settings = tables.plan.tasks[task]
    layout = layouts.choose(tables, task)
    return {
        **vars(settings),
        **_looks(tables.plan, settings),
        "name": task,
        "metric_name": metric_name(settings.metric),
        "results_by_cell": layout.results_by_cell,
        "contrasts_by_cell": layout.contrasts_by_cell,
        "early_ends": result_tables.early_ends(tables, task),
        "subsets": _subsets(tables.of("runs", task)),
        "verdict": verdict_sentence.sentence(tables, task),
        "best": best_means.sentences(tables, task),
        "references": _references(tables.of("references", task)),
        "recipe_block": _recipe(settings),
        "results": layout.results(tables, task),
        "contrasts": layout.contrasts(tables, task),
        "notes": verdict_tables.notes(tables, task),
        "all_pairs": verdict_tables.all_pairs(tables, task),
        "controls": verdict_tables.controls(tables, task),
        "tuning": tuning_tables.sentences(tables, task),
        "targets_table": layout.targets(tables, task),
        "compute": layout.compute(tables, task),
        "gpu_use": compute_tables.gpu_use(tables, task),
        "health": layout.findings(tables, task),
        "early": health_tables.early(tables, task),
        "figures": _figures(settings.figures, figures / task, page),
    }


def _error_rate(plan: Plan) -> str:
    """The share of false verdicts that each task may have, in words."""
    share = contrasts.family_share(plan)
    rate = f"{100 * procedure.ALPHA * share:g}%"
    if share < 1:
        rate += f" (this task's share of the study's {procedure.ALPHA:.0%})"
    return rate


def _looks(plan: Plan, settings: TaskPlan) -> dict[str, str]:
    """The seeds and the spends of a task's looks in words; empty if it has none."""
    if not settings.looks:
        return {}
    looks = procedure.looks_of(settings.looks, contrasts.family_share(plan))
    seeds = [str(n) for n, _ in looks]
    spends = [f"{100 * spend:.3g}%" for _, spend in looks]
    return {
        "look_seeds": verdict_tables.listed(seeds),
        "look_spends": verdict_tables.listed(spends),
    }


def _claims(tables: Tables) -> dict[str, Any] | None:
    """The sentences and the table of the study's claims, None if it makes no claims."""
    stated = tables.plan.claims
    if not stated:
        return None
    table = tables.frames["claims"]
    return {
        "sentences": replication_tables.claim_sentences(table, stated),
        "table": markdown(replication_tables.claim_rows(table)),
    }


def _subsets(runs: pd.DataFrame) -> list[str]:
    """Which of a task's data sets are not whole, in words."""
    if "data_subset" not in runs:
        return []
    subsets = runs[["data", "data_subset"]].dropna().drop_duplicates()
    return [f"{row.data} is {row.data_subset}" for row in subsets.itertuples()]


def _references(references: pd.DataFrame) -> list[dict[str, Any]]:
    """The reference methods with their scores as text."""
    rows = []
    for row in references.to_dict("records"):
        rows.append({**row, "val": number(row["val"]), "test": number(row["test"])})
    return rows


def _recipe(settings: TaskPlan) -> str:
    """The run fields that all runs share, with crossed axes as lists, as a YAML block."""
    recipe = layered(settings.recipe, settings.axes)
    text = yaml.safe_dump(recipe, sort_keys=True, default_flow_style=None, width=110)
    return block(text.strip(), "yaml")


def _figures(names: Iterable[str], folder: Path, page: Path) -> list[dict[str, str]]:
    """Those figures of a folder that were drawn, linked relative to the page."""
    drawn = []
    for name in names:
        caption = folder / f"{name}.txt"
        if not caption.is_file():
            continue
        drawn.append(
            {
                "name": name,
                "path": os.path.relpath(caption.with_suffix(".png"), page.parent),
                "caption": caption.read_text(encoding="utf-8").strip(),
            }
        )
    return drawn


def _incomplete(tables: Tables) -> list[dict[str, Any]]:
    """The runs that did not complete, with the command that runs each again."""
    rows = []
    for row in tables.frames["incomplete"].astype(object).fillna("").to_dict("records"):
        rows.append(
            {
                "task": row["task"],
                "cell": cell_name(row["level"], row["group"]),
                "seed": row["seed"],
                "status": row["status"],
                "reason": row["reason"],
                "command": code(rerun_command(tables.plan, row)),
            }
        )
    return rows
