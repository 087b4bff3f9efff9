"""MLflow's file store, `mlruns/`: plain files, read without MLflow.

A run is `EXPERIMENT/RUN/` with `params/NAME`, `tags/NAME` and `metrics/NAME`, whose lines are
`milliseconds value step` (mlflow.store.tracking.file_store); names with `/` are folders.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from actstudy.contract.errors import StudyError, visible
from actstudy.judging.reading.options import Options
from actstudy.judging.reading.runs import Curve, Run, scores
from actstudy.judging.scores import Scores
from actstudy.own_data import files

KIND = "mlflow"
META = "meta.yaml"
MAX_META_BYTES = 100_000
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same in C, if it is there
ALLOWED = "allowed: lines of time, value and step"


def recognises(path: Path) -> bool:
    """Whether a folder is a file store, or an experiment or run of one."""
    return path.is_dir() and next(run_folders(path), None) is not None


def run_folders(path: Path) -> Iterator[Path]:
    """The folders of runs of a store, an experiment or a run."""
    for pattern in (META, f"*/{META}", f"*/*/{META}"):
        for meta in sorted(path.glob(pattern)):
            if (meta.parent / "metrics").is_dir() or (meta.parent / "params").is_dir():
                yield meta.parent


def read(path: Path, options: Options) -> Scores:
    """The scores of all runs that are not deleted; StudyError, with the file, if one is damaged.

    An experiment is a task if there are several and no other setting is named.
    """
    runs = []
    for folder in run_folders(path):
        meta = meta_of(folder / META)
        if meta.get("lifecycle_stage", "active") == "active":
            runs.append(run_of(folder, meta))
    experiments = {run.settings["experiment"] for run in runs}
    if len(experiments) > 1 and options.task is None and options.run_name is None:
        runs = [with_task(run) for run in runs]
    else:
        runs = [without_experiment(run) for run in runs]
    return scores(runs, options, str(path))


def with_task(run: Run) -> Run:
    """The run with its experiment as its task."""
    settings = {"task": run.settings["experiment"], **without_experiment(run).settings}
    return Run(run.name, settings, run.metrics, run.label)


def without_experiment(run: Run) -> Run:
    """The run without its experiment."""
    settings = {name: value for name, value in run.settings.items() if name != "experiment"}
    return Run(run.name, settings, run.metrics, run.label)


def meta_of(file: Path) -> dict[str, object]:
    """What a meta.yaml says."""
    raw = content(file)
    if len(raw) > MAX_META_BYTES:
        raise StudyError(f"{file}: got {len(raw):,} bytes; allowed: up to {MAX_META_BYTES:,}")
    try:
        meta = yaml.load(raw, LOADER)  # noqa: S506 - both loaders are safe ones
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        fault = " ".join(str(error).split())
        raise StudyError(visible(f"{file}: not readable as YAML: {fault:.100}")) from None
    if not isinstance(meta, dict):
        raise StudyError(f"{file}: got {type(meta).__name__}; allowed: a mapping of keys")
    return {str(key): value for key, value in meta.items()}


def content(file: Path) -> str:
    """The text of a small file."""
    return files.text(str(file), file, files.content(file))


def run_of(folder: Path, meta: dict[str, object]) -> Run:
    """A run from its folder."""
    settings: dict[str, object] = {"experiment": experiment_of(folder.parent)}
    for name, file in named_files(folder / "params"):
        settings[name] = content(file).strip()
    metrics = {name: curve(file) for name, file in named_files(folder / "metrics")}
    filled = {name: own for name, own in metrics.items() if len(own[0])}
    name = str(meta.get("run_name") or folder.name)
    label = name if name == folder.name else f"{name} ({folder.name[:8]})"
    return Run(name, settings, filled, label)


def experiment_of(folder: Path) -> str:
    """The name of an experiment, that of its folder if no meta.yaml says it."""
    file = folder / META
    name = meta_of(file).get("name") if file.is_file() else None
    return str(name or folder.name)


def named_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name and file of what a run logged, names with `/` from folders in it."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield file.relative_to(folder).as_posix(), file


def curve(file: Path) -> Curve:
    """Steps and values of a metric, in the order in which they were logged."""
    steps = []
    values = []
    for number, line in enumerate(content(file).splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            value = float(words[1])
            step = float(words[2]) if len(words) > 2 else float(number - 1)
        except (IndexError, ValueError):
            raise StudyError(
                visible(f"{file}: line {number}: got {line!r:.60}; {ALLOWED}")
            ) from None
        if not math.isfinite(step):
            raise StudyError(f"{file}: line {number}: step: got {step}; {ALLOWED}")
        steps.append(step)
        values.append(value)
    return np.array(steps), np.array(values)
