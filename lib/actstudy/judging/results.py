"""`actstudy.load`: the tables of a study as pandas frames with units, and its figures."""

import dataclasses
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from actstudy.analysis import stored, tables
from actstudy.analysis.evidence import NO_PREDICTIONS
from actstudy.analysis.questions.seed_values import compared, paired
from actstudy.contract import errors
from actstudy.contract.errors import StudyError
from actstudy.contract.plan import Plan
from actstudy.contract.schema import SCHEMAS
from actstudy.judging.scores import EXACT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VALUES = {"group": "group", "level": "level", "seed": "seed", "value": "value"}
TEXTS = {"group", "line", "condition", "contradiction"}  # columns whose empty text is no gap
VALUES |= {"is_diverged": "diverged", "chance": "chance"}


def load(folder: str | Path = "results") -> "Results":
    """The results of a study: of a folder of results such as `results/depth`, or of its tables.

    StudyError, one line, if there are none.

    >>> results = load("docs/example/depth")
    >>> results.contrasts[["level", "group", "verdict"]].head(1).to_dict("records")
    [{'level': 'tanh', 'group': 'init=he_normal, depth=5', 'verdict': 'too few seeds'}]
    >>> results.runs.attrs["units"]["train_seconds"]
    's'
    """
    path = Path(folder)
    for place in (path / "tables", path):
        if stored.file_of(place) or stored.file_of(place, "contrasts"):
            return Results(place)
    if not path.is_dir():
        raise StudyError(f"{path}: no such folder; allowed: a study's results or its tables")
    inside = [str(place.parent) for place in sorted(path.glob("*/tables")) if place.is_dir()]
    hint = f"; there are tables in {', '.join(inside[: errors.MAX_NAMES])}" if inside else ""
    raise StudyError(f"{path}: no tables of a study; allowed: a study's results{hint}")


class Results:
    """A study's tables, each read when it is first asked for.

    Every frame has its units in `attrs["units"]`, column -> unit, and how many seeds or runs are
    behind a row in the row itself. Columns: docs/metrics.md and docs/statistics.md.
    """

    def __init__(self, place: Path) -> None:
        self.place = place

    def __repr__(self) -> str:
        return f"Results({str(self.place)!r})"

    @property
    def runs(self) -> pd.DataFrame:
        """A row per planned run: what it was, how it ended, its metrics (`reported_accuracy`)."""
        return self.table("runs")

    @property
    def curves(self) -> pd.DataFrame:
        """A row per run, split, metric and evaluation window, in `step` and `epoch`."""
        return self.table("curves")

    @property
    def cells(self) -> pd.DataFrame:
        """A row per cell (task, group, level), checkpoint and metric: n, mean, sd, min, max."""
        return self.table("cells")

    @property
    def contrasts(self) -> pd.DataFrame:
        """A row per level and what it is compared with: difference, interval, p, verdict."""
        return self.table("contrasts")

    @property
    def differences(self) -> pd.DataFrame:
        """A row per contrast with the baseline and seed: level minus baseline, in `unit`."""
        return self.table("differences")

    @property
    def health(self) -> pd.DataFrame:
        """A row per run, due step, site and probe."""
        return self.table("health")

    @cached_property
    def plan(self) -> Plan:
        """What the study planned: tasks with baseline, metric and margin, and runs."""
        return stored.plan_of(self.place)[0]

    def table(self, name: str) -> pd.DataFrame:
        """A table of the study by name; StudyError if it is not there, or not readable."""
        if name not in self._frames:
            self._frames[name] = self._read(name)
        frame = self._frames[name].copy()
        frame.attrs["units"] = dict(self._frames[name].attrs["units"])
        return frame

    @cached_property
    def _frames(self) -> dict[str, pd.DataFrame]:
        return {}

    def _read(self, name: str) -> pd.DataFrame:
        path = stored.file_of(self.place, name)
        if path is None:
            names = [table for table in tables.NAMES if stored.file_of(self.place, table)]
            raise StudyError(f"{self.place}: no table {name!r:.60}; {errors.choices(name, names)}")
        try:
            frame, units = read_table(path)
        except (ValueError, pa.ArrowException) as error:
            line = " ".join(str(error).split())
            raise StudyError(f"{path}: not readable: {line:.120}") from None
        known = {**schema_units(name), **tables.UNITS, **units}
        frame.attrs["units"] = {column: known[column] for column in frame if column in known}
        return frame

    def values(self, task: str) -> pd.DataFrame:
        """The numbers that the contrasts of a task are made of: group, level, seed, value, ...

        A row per run that has ended and counts as a pair, in the order of the study; `value` is
        the reported metric, or its natural logarithm if the task compares that; diverged runs are
        at chance level. `verdicts` makes the study's own contrasts of it. Chance level of a
        language model is not in the tables, so that none of its runs counts as collapsed.
        """
        settings = self.plan.tasks[errors.check_name(task, "task", self.plan.tasks)]
        frames = {"runs": self.runs, "predictions": NO_PREDICTIONS}
        runs = compared(frames, self.plan, task)
        if runs.empty:
            return pd.DataFrame(columns=list(VALUES.values()))
        runs = runs[paired(runs, self.plan, settings.baseline)]
        frame = runs[list(VALUES)].rename(columns=VALUES).reset_index(drop=True)
        frame.attrs["units"] = dict.fromkeys(("value", "chance"), settings.compared_unit)
        return frame

    def figure(self, name: str, task: str | None = None) -> "Figure":
        """A figure of the study's page as a matplotlib Figure; StudyError if it cannot be drawn.

        name: such as `forest` or `metric_curves`; task: whose, needed for figures of a task.
        """
        from actstudy.analysis import figures  # imports matplotlib

        names = [*figures.TASK_FIGURES, *figures.STUDY_FIGURES]
        errors.check_name(name, f"figure {name!r:.60}", names)
        plan = self.plan
        if task is not None:
            settings = plan.tasks[errors.check_name(task, f"task {task!r:.60}", plan.tasks)]
            plan = dataclasses.replace(plan, tasks={task: settings})
        own = tables.Tables(plan, _Frames(self))
        if name in figures.STUDY_FIGURES:
            drawn = figures.STUDY_FIGURES[name].draw(own)
        elif task is None:
            raise StudyError(f"figure {name}: no task; allowed: task={'|'.join(plan.tasks)}")
        else:
            drawn = figures.TASK_FIGURES[name].draw(own, task)
        if drawn is None:
            raise StudyError(f"figure {name}: the tables in {self.place} have nothing to draw")
        return drawn[0]


class _Frames(dict[str, pd.DataFrame]):
    """The frames of `Tables`, each read when a figure asks for it."""

    def __init__(self, results: Results) -> None:
        super().__init__()
        self.results = results

    def __missing__(self, name: str) -> pd.DataFrame:
        self[name] = self.results.table(name)
        return self[name]


def read_table(path: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """A table of Parquet or CSV, and its units: of Parquet's fields, or of a CSV's head."""
    units: dict[str, str] = {}
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        for field in table.schema:
            unit = (field.metadata or {}).get(b"unit", b"").decode()
            if unit:
                units[field.name] = unit
        return table.to_pandas(), units
    frame = pd.read_csv(path, **EXACT)
    names: dict[Any, str] = {}
    for column in frame:
        name, _, unit = str(column).partition(" [")
        names[column] = name
        if unit:
            units[name] = unit.removesuffix("]")
    frame = frame.rename(columns=names)
    for column in TEXTS.intersection(frame):
        frame[column] = frame[column].astype(object).fillna("")  # which a CSV cannot tell apart
    return frame, units


def schema_units(name: str) -> dict[str, str]:
    """The units of a run's table that the table of all runs is made of."""
    units = {}
    for field in SCHEMAS.get(name, ()):
        unit = (field.metadata or {}).get(b"unit", b"").decode()
        if unit:
            units[field.name] = unit
    return units
