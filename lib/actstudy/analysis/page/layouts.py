"""The layout of a task's section: tables with a row per cell, or per group of many cells."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from actstudy.analysis.page import cell_groups, health_tables, result_tables, verdict_tables
from actstudy.analysis.tables import Tables


@dataclass(frozen=True)
class Layout:
    """What makes each table of a section from the study's tables and the task's name."""

    results: Callable[[Tables, str], str]
    contrasts: Callable[[Tables, str], str]
    targets: Callable[[Tables, str], str]
    compute: Callable[[Tables, str], str]
    findings: Callable[[Tables, str], dict[str, Any]]


BY_CELL = Layout(
    results=result_tables.results,
    contrasts=verdict_tables.contrasts,
    targets=result_tables.targets,
    compute=result_tables.compute,
    findings=health_tables.findings,
)
BY_GROUP = Layout(
    results=result_tables.results_by_group,
    contrasts=verdict_tables.contrasts_by_group,
    targets=result_tables.targets_by_group,
    compute=result_tables.compute_of_front,
    findings=health_tables.findings_by_rule,
)


def choose(tables: Tables, task: str) -> Layout:
    """The tables of BY_CELL, and of BY_GROUP instead of those that would have very many rows."""
    cells_by_table = {
        "results": tables.of("cells", task),
        "contrasts": verdict_tables.primary(tables, task),
        "targets": tables.of("targets", task),
        "compute": tables.of("pareto", task),
        "findings": health_tables.read_runs(tables, task),
    }
    functions = {}
    for name, cells in cells_by_table.items():
        layout = BY_GROUP if cell_groups.are_many(cells) else BY_CELL
        functions[name] = getattr(layout, name)
    return Layout(**functions)
