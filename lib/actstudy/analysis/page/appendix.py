"""The appendix of a study: all tables, texts and figures that its other pages leave out."""

from pathlib import Path
from typing import Any

import yaml

from actstudy.analysis.markdown import block, metric_name
from actstudy.analysis.page import (
    cell_groups,
    citation,
    compute_tables,
    health_tables,
    layouts,
    links,
    result_tables,
    sensitivity_tables,
    template,
    trials_tables,
    tuning_tables,
    verdict_tables,
)
from actstudy.analysis.page.first_screen import task_figures
from actstudy.analysis.questions import early_health, stats
from actstudy.analysis.tables import Tables
from actstudy.contract import registry
from actstudy.contract.layers import layered
from actstudy.contract.plan import TaskPlan

CONSTANTS = {
    "n_bins": registry.literal("tasks/metrics.py", "N_BINS"),
    "interval_level": f"{stats.LEVEL:.0%}",
    "early_share": f"{early_health.EARLY_SHARE:.0%}",
    "min_probe_runs": early_health.MIN_RUNS,
}


def render(tables: Tables, figures: Path, page: Path) -> str:
    """The Markdown of the appendix; page: the file that it is for."""
    return template.fill(
        "appendix.md.j2",
        tables,
        page,
        tasks=[_appendix_of(tables, task, figures, page) for task in tables.plan.tasks],
        by_rule=cell_groups.are_many(tables.frames["runs"]),
        constants=CONSTANTS,
        time=result_tables.time(tables.frames["runs"].drop_duplicates("run_id")),
        figures=links.figures(study_figures(on_page=False), figures / "study", page),
        bibtex=citation.bibtex(),
    )


def study_figures(on_page: bool) -> list[str]:
    """The figures of all tasks that summary.md and details.md may show, or the others."""
    of_page = registry.page_figures("STUDY_FIGURES")
    return [name for name in registry.study_figures() if (name in of_page) == on_page]


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
        "trials_name": trials_tables.name_with_unit(settings),
        "trials_table": trials_tables.table(tables, task),
        "targets_table": layout.targets(tables, task),
        "compute": compute_tables.compute(tables, task),
        "gpu_use": compute_tables.gpu_use(tables, task),
        "health": layout.findings(tables, task),
        "early": health_tables.early(tables, task),
        "figures": links.figures(task_figures(settings, on_page=False), figures / task, page),
    }


def _recipe(settings: TaskPlan) -> str:
    """The run fields that all runs share, with crossed axes as lists, as a YAML block."""
    recipe = layered(settings.recipe, settings.axes)
    text = yaml.safe_dump(recipe, sort_keys=True, default_flow_style=None, width=110)
    return block(text.strip(), "yaml")
