"""Studies to be put side by side: read, checked, and the cells that they have in common."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from actstudy.analysis import stored
from actstudy.analysis.questions import contrasts
from actstudy.contract.errors import StudyError
from actstudy.contract.plan import Plan
from actstudy.contract.schema import CELL
from actstudy.judging.results import Results, load

ALLOWED = "two or more studies' folders of results, or of tables"
COMMON = "studies with a task and its metric in common, and in it a level of the same group"
SETTINGS = ("metric", "higher_is_better", "log_unit", "predicts")  # that values share a meaning by
MAX_LISTED = 6  # names that a message lists


@dataclass(frozen=True)
class Study:
    """A study by the name that it was given, and those of its tables that are there."""

    name: str
    results: Results

    @property
    def plan(self) -> Plan:
        """What the study planned."""
        return self.results.plan

    @cached_property
    def runs(self) -> pd.DataFrame:
        """Its table of runs, empty if it is not there."""
        return self._table("runs", [*CELL, "run_id", "seed", "status"])

    @cached_property
    def cells(self) -> pd.DataFrame:
        """Its cells with their task's own metric, at the checkpoint that is reported."""
        frame = self._table("cells", [*CELL, "checkpoint", "metric", "n", "mean", "sd"])
        metrics = {task: settings.metric for task, settings in self.plan.tasks.items()}
        own = frame["metric"] == frame["task"].map(metrics)
        return frame[own & (frame["checkpoint"] == "reported")]

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """Its contrasts with the baseline, empty without the table."""
        columns = [*CELL, "baseline", "family", "verdict", "n"]
        return contrasts.primary(self._table("contrasts", columns))

    def _table(self, name: str, columns: Sequence[str]) -> pd.DataFrame:
        """A table, empty if it is not there or lacks a column; of documents some have no group."""
        if stored.file_of(self.results.place, name) is None:
            return pd.DataFrame(columns=list(columns))
        frame = self.results.table(name)
        if "group" not in frame:
            frame = frame.assign(group="")
        return frame if set(columns) <= set(frame) else pd.DataFrame(columns=list(columns))

    def of(self, name: str, task: str) -> pd.DataFrame:
        """The rows of one task of `runs`, `cells` or `verdicts`."""
        frame: pd.DataFrame = getattr(self, name)
        return frame[frame["task"] == task]


def verdict_of(row: pd.Series) -> str:
    """The verdict of a row of `Study.verdicts`; one that something speaks against says so."""
    doubt = row.get("contradiction")  # missing from older tables
    return f"{row['verdict']} (contradicted)" if pd.notna(doubt) and doubt else str(row["verdict"])


def read(folders: Sequence[str]) -> list[Study]:
    """The studies of some folders; StudyError if one is none, or there are not two."""
    if len(folders) < 2:
        raise StudyError(f"compare: got {len(folders)} study; allowed: {ALLOWED}")
    return opened(folders)


def opened(folders: Sequence[str], command: str = "compare") -> list[Study]:
    """The studies of one or more folders; StudyError if one is none, or is there twice.

    command: as messages name it.
    """
    studies: list[Study] = []
    for folder in folders:
        study = Study(folder.rstrip("/"), load(folder))
        same = [other for other in studies if other.results.place.samefile(study.results.place)]
        if same:
            raise StudyError(f"{command}: got {folder} twice; allowed: {ALLOWED}")
        if study.cells.empty:
            raise StudyError(f"{folder}: no cells in its tables; allowed: {ALLOWED}")
        studies.append(study)
    return studies


def common_tasks(first: Study, other: Study) -> tuple[list[str], list[str]]:
    """The tasks that two studies can be compared in, and why other common ones cannot.

    StudyError if there is none.
    """
    tasks = []
    notes = []
    for task, settings in first.plan.tasks.items():
        if task not in other.plan.tasks:
            continue
        unlike = differing(vars(settings), vars(other.plan.tasks[task]), SETTINGS)
        if unlike:
            name, a, b = unlike[0]
            notes.append(f"{task}: {name} is {a} in {first.name} and {b} in {other.name}")
        elif shared_cells(first, other, task):
            tasks.append(task)
        else:
            content = f"{content_of(first, task)}; {content_of(other, task)}"
            notes.append(f"{task}: no cell in common: {content}")
    if tasks:
        return tasks, notes
    if notes:
        raise StudyError(f"compare: {notes[0]}; allowed: {COMMON}")
    names = [f"{study.name} has {', '.join(study.plan.tasks)}" for study in (first, other)]
    raise StudyError(f"compare: no common task: {'; '.join(names)}; allowed: {COMMON}")


def differing(
    first: dict[str, Any], other: dict[str, Any], names: Sequence[str]
) -> list[tuple[str, Any, Any]]:
    """Name and both values of those entries that differ."""
    return [
        (name, first[name], other[name]) for name in names if first.get(name) != other.get(name)
    ]


def shared_cells(first: Study, other: Study, task: str) -> list[tuple[str, str]]:
    """(group, level) of the cells of a task that both studies have, in the first one's order."""
    of_other = set(cells_of(other, task))
    return [cell for cell in cells_of(first, task) if cell in of_other]


def cells_of(study: Study, task: str) -> list[tuple[str, str]]:
    """(group, level) of a study's cells of a task."""
    rows = study.of("cells", task)
    return list(zip(rows["group"], rows["level"], strict=True))


def content_of(study: Study, task: str) -> str:
    """The levels, groups and data of a study's cells of a task, in words."""
    rows = study.of("cells", task)
    if rows.empty:
        return f"{study.name} has no cell of it"
    settings = study.plan.tasks[task]
    words = f"{study.name} has {_listed('level', rows['level'])}"
    groups = [f"'{group}'" for group in dict.fromkeys(rows["group"]) if group]
    words += f" in {_listed('group', groups)}" if groups else " without groups"
    data = settings.axes.get("dataset") or [settings.recipe.get("dataset")]
    names = [settings.data_label(str(name)) for name in data if name is not None]
    return f"{words} on {', '.join(names)}" if names else words


def _listed(what: str, names: Iterable[str]) -> str:
    """Names, each once, after what they are: `levels tanh, relu and 3 more`."""
    own = list(dict.fromkeys(names))
    more = f" and {len(own) - MAX_LISTED} more" if len(own) > MAX_LISTED else ""
    plural = "s" if len(own) > 1 else ""
    return f"{what}{plural} {', '.join(own[:MAX_LISTED])}{more}"
