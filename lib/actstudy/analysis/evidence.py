"""Which measured cells there are to answer from: tables of studies, a cell per group of runs."""

import dataclasses
import functools
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from actstudy.analysis import stored
from actstudy.analysis.questions.factors import texts
from actstudy.analysis.questions.seed_values import TaskValues, task_values
from actstudy.analysis.reference_rows import of_runs
from actstudy.contract import checkout, registry
from actstudy.contract.errors import StudyError
from actstudy.contract.plan import Plan, TaskPlan
from actstudy.contract.spec import RunSpec

COMPARED = "activation"
NOT_OF_CELL = ("task", "seed", "code", COMPARED, "activation_args")
FIELDS = [field.name for field in dataclasses.fields(RunSpec) if field.name not in NOT_OF_CELL]
CPU = re.compile(r", \d+ threads?$")  # how the name of a CPU ends
NO_PREDICTIONS = pd.DataFrame(columns=["task", "run_id", "tokens", "weights"])


@dataclass(frozen=True)
class Cell:
    """Runs of one study that differ in activation and seed, and what is compared of them."""

    study: str
    file: str  # of the study, empty if it is not there
    place: str  # the folder that its runs were read from
    task: str
    group: str
    axes: dict[str, str]  # of the study's group of cells: run field -> place
    settings: TaskPlan
    runs: pd.DataFrame
    values: TaskValues
    fields: dict[str, str]  # run field -> its value as text, of those that all runs share
    references: pd.DataFrame  # scores of methods without a network on its data

    @property
    def name(self) -> str:
        """The study, its task and the group of cells: `verdicts, mlp, lr=tuned`."""
        return ", ".join(filter(None, [self.study, self.task, self.group]))

    @functools.cached_property
    def devices(self) -> list[str]:
        """The names of the devices that trained its runs."""
        return sorted(self.runs["device"].dropna().unique())

    @functools.cached_property
    def doubles(self) -> dict[str, str]:
        """Level -> the level that is the same function, of those without arguments."""
        plain = set(self.runs.loc[self.runs["activation_args"].isin(["{}"]), "level"])
        levels = plain & {level for _, level in self.values.values}
        pairs = registry.literal("nets/activations.py", "NULL_PAIRS")
        return {name: other for name, other in pairs if {name, other} <= levels}

    def is_on(self, device: str) -> bool:
        """Whether all runs were trained on a device: `cpu`, `cuda` or a part of a name."""
        if device in ("cpu", "cuda"):
            kinds = ["cpu" if CPU.search(name) else "cuda" for name in self.devices]
            return set(kinds) == {device}
        names = [name.lower() for name in self.devices]
        return bool(names) and all(device.lower() in name for name in names)


def cells(places: Sequence[Path]) -> tuple[list[Cell], dict[Path, str]]:
    """The cells of tables that compare two activations or more; folder -> why it has none.

    A cell whose runs are all in a cell of a folder before it is left out.
    """
    gathered: list[Cell] = []
    faults = {}
    for place in places:
        try:
            gathered += of_folder(place)
        except StudyError as error:
            faults[place] = str(error)
    return once(gathered), faults


def once(several: Iterable[Cell]) -> list[Cell]:
    """Cells without those whose runs are all in a cell before them."""
    gathered: list[Cell] = []
    seen: list[set[str]] = []
    for cell in several:
        ids = set(cell.runs["run_id"])
        if not any(ids <= others for others in seen):
            gathered.append(cell)
            seen.append(ids)
    return gathered


def of_folder(place: Path) -> list[Cell]:
    """The cells of one folder of tables; StudyError if its tables do not say what a run was."""
    runs = stored.read_runs(place)
    plan, file = stored.plan_of(place)
    return list(of_tables(plan, file, place, runs, stored.read_references(place)))


def of_tables(
    plan: Plan, file: str, place: Path, runs: pd.DataFrame, references: pd.DataFrame
) -> Iterator[Cell]:
    """The cells of a study's tables; runs: as `stored.prepared` gives them."""
    for task, of_task in runs.groupby("task", sort=False):
        if task not in plan.tasks:
            continue
        labelled = of_task
        if plan.compare != COMPARED:
            labelled = by_activation(of_task)
        words = written(of_task)
        settings = dataclasses.replace(plan.tasks[task], baseline=labelled["level"].iloc[0])
        own = dataclasses.replace(plan, compare=COMPARED, tasks={task: settings})
        frames = {"runs": labelled, "predictions": NO_PREDICTIONS}
        values = task_values(frames, own, str(task))
        for group, part in labelled.groupby("group", sort=False):
            compared = of_group(values, str(group))
            if compared.values.shape[1] > 1:
                yield Cell(
                    study=plan.study,
                    file=file,
                    place=str(checkout.study_path(place)),
                    task=str(task),
                    group=str(group),
                    axes=axes_of(str(group)) if plan.compare == COMPARED else {},
                    settings=settings,
                    runs=part,
                    values=compared,
                    fields=shared(words.loc[part.index]),
                    references=of_runs(references, part),
                )


def by_activation(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs of a study that compares another axis, with activations as levels.

    group: the run fields other than the activation in which they differ.
    """
    arguments = texts(runs, "activation_args").replace("{}", "")
    level = (texts(runs, COMPARED) + " " + arguments).str.strip()
    group = pd.Series("", runs.index)
    for name in FIELDS:
        values = texts(runs, name)
        if values.nunique() > 1:
            group = group + f", {name}=" + values
    labelled = runs.assign(level=level, group=group.str.removeprefix(", "))
    return labelled.drop_duplicates(["group", "level", "seed"])


def written(runs: pd.DataFrame) -> pd.DataFrame:
    """The fields of some runs of a task as text, FIELDS; the task's own model by its name."""
    words = pd.DataFrame({name: texts(runs, name) for name in FIELDS})
    task = str(runs["task"].iloc[0])
    if task in registry.tasks():
        words["model"] = words["model"].replace("", registry.task(task)["net"])
    return words


def shared(words: pd.DataFrame) -> dict[str, str]:
    """Column -> its value, of those that are the same in all rows."""
    values = words.to_numpy(dtype=object)
    is_shared = (values == values[0]).all(axis=0)
    first = zip(words.columns[is_shared], values[0, is_shared], strict=True)
    return {str(name): str(value) for name, value in first}


def of_group(values: TaskValues, group: str) -> TaskValues:
    """The values of one group of cells."""
    return _of_columns(values, _places(values, "group") == group)


def of_levels(values: TaskValues, levels: Collection[str]) -> TaskValues:
    """The values of some levels."""
    return _of_columns(values, np.isin(_places(values, "level"), list(levels)))


def _places(values: TaskValues, name: str) -> np.ndarray:
    """The group or the level of each column; none has any if there is no value."""
    columns = values.values.columns
    return columns.get_level_values(name).to_numpy() if len(columns) else np.array([])


def _of_columns(values: TaskValues, is_own: np.ndarray) -> TaskValues:
    """The values of some cells, without seeds of which they have none."""
    own = values.values.loc[:, is_own]
    rows = own.notna().any(axis=1)
    return TaskValues(own[rows], values.diverged.loc[rows, is_own], values.chance[is_own])


def axes_of(group: str) -> dict[str, str]:
    """The run fields that a group's name says, `init=he_normal, depth=5`, but a tuned rate."""
    pairs = [part.partition("=")[::2] for part in group.split(", ")]
    return {name: place for name, place in pairs if name in FIELDS and name != "lr"}


def differing(cell: Cell, values: Mapping[str, str], device: str | None) -> list[str]:
    """What a cell has instead of the run fields and the device that are asked for: `depth=3`."""
    unlike = []
    for name, value in values.items():
        own = cell.fields.get(name)
        if own != value:
            unlike.append(f"{name}={'several' if own is None else own or 'null'}")
    if device and not cell.is_on(device):
        unlike.append(f"device={' + '.join(cell.devices)}")
    return unlike


def asked_texts(fields: Mapping[str, Any]) -> dict[str, str]:
    """Run fields as the text that tables have of them."""
    words = {}
    for name, value in fields.items():
        plain = value
        if isinstance(value, list | tuple | dict):
            plain = json.dumps(value, sort_keys=True)
        words[name] = str(texts(pd.DataFrame({name: [plain]}, dtype=object), name).iloc[0])
    return words
