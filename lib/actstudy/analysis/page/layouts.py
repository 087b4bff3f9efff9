"""The layout of a task's section: tables with a row per cell, or per group of many cells."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from actstudy.analysis.page import (
    cell_groups,
    compute_tables,
    health_tables,
    result_tables,
    verdict_tables,
)
from actstudy.analysis.tables import Tables


@dataclass(frozen=True)
class Layout:
    """What makes each table of a section from the study's tables and the task's name.

    results_by_cell, contrasts_by_cell: whether that table has a row per cell.
    """

    results: Callable[[Tables, str], str]
    contrasts: Callable[[Tables, str], str]
    targets: Callable[[Tables, str], str]
    compute: Callable[[Tables, str], str]
    findings: Callable[[Tables, str], dict[str, Any]]
    results_by_cell: bool
    contrasts_by_cell: bool


BY_CELL = Layout(
    results=result_tables.results,
    contrasts=verdict_tables.contrasts,
    targets=result_tables.targets,
    compute=compute_tables.compute,
    findings=health_tables.findings,
    results_by_cell=True,
    contrasts_by_cell=True,
)
BY_GROUP = Layout(
    results=result_tables.results_by_group,
    contrasts=verdict_tables.contrasts_by_group,
    targets=result_tables.targets_by_group,
    compute=compute_tables.compute_of_front,
    findings=health_tables.findings_by_rule,
    results_by_cell=False,
    contrasts_by_cell=False,
)


def choose(tables: Tables, task: str) -> Layout:
    """The tables of BY_CELL, and of BY_GROUP instead of those that would have very many rows."""
    results = _layout_of(tables.of("cells", task))
    contrasts = _layout_of(verdict_tables.primary(tables, task))
    return Layout(
        results=results.results,
        contrasts=contrasts.contrasts,
        targets=_layout_of(tables.of("targets", task)).targets,
        compute=_layout_of(tables.of("pareto", task)).compute,
        findings=_layout_of(health_tables.read_runs(tables, task)).findings,
        results_by_cell=results.results_by_cell,
        contrasts_by_cell=contrasts.contrasts_by_cell,
    )


def _layout_of(cells: pd.DataFrame) -> Layout:
    return BY_GROUP if cell_groups.are_many(cells) else BY_CELL
