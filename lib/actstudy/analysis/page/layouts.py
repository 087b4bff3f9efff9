"""The layout of a task's tables: a row per cell, or per group of many cells."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from actstudy.analysis.page import cell_groups, health_tables, result_tables, verdict_tables
from actstudy.analysis.questions.contrasts import primary
from actstudy.analysis.tables import Tables


@dataclass(frozen=True)
class Layout:
    """What makes each table from the study's tables and the task's name."""

    means: Callable[[Tables, str], str]
    results: Callable[[Tables, str], str]
    contrasts: Callable[[Tables, str], str]
    targets: Callable[[Tables, str], str]
    findings: Callable[[Tables, str], dict[str, Any]]


BY_CELL = Layout(
    means=result_tables.means,
    results=result_tables.results,
    contrasts=verdict_tables.contrasts,
    targets=result_tables.targets,
    findings=health_tables.findings,
)
BY_GROUP = Layout(
    means=result_tables.means_by_group,
    results=result_tables.results_by_group,
    contrasts=verdict_tables.contrasts_by_group,
    targets=result_tables.targets_by_group,
    findings=health_tables.findings_by_rule,
)


def choose(tables: Tables, task: str) -> Layout:
    """The tables of BY_CELL, and of BY_GROUP instead of those that would have very many rows."""
    results = _layout_of(tables.of("cells", task))
    return Layout(
        means=results.means,
        results=results.results,
        contrasts=_layout_of(primary(tables.of("contrasts", task))).contrasts,
        targets=_layout_of(tables.of("targets", task)).targets,
        findings=_layout_of(health_tables.read_runs(tables, task)).findings,
    )


def _layout_of(cells: pd.DataFrame) -> Layout:
    return BY_GROUP if cell_groups.are_many(cells) else BY_CELL
