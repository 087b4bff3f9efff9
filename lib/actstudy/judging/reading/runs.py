"""Runs of a tracker as scores: settings name level, seed and task, metrics are curves."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from actstudy.contract.errors import StudyError, choices, visible
from actstudy.judging.reading import confounders, missing, names
from actstudy.judging.reading.missing import listed
from actstudy.judging.reading.options import NOT_MADE, Options, check_column, pick_of
from actstudy.judging.reading.picking import Several, one_per_run
from actstudy.judging.reading.roles import NAMES, column_of, last_part, said_or_assumed
from actstudy.judging.scores import CELL, Scores

Curve = tuple[np.ndarray, np.ndarray]  # steps and values, both (T,)


@dataclass(frozen=True)
class Run:
    """A run of a tracker: its name, its settings, and metric -> its values at their steps.

    label: what messages call it, if names are not unique.
    """

    name: str
    settings: Mapping[str, Any]
    metrics: Mapping[str, Curve]
    label: str = ""

    @property
    def called(self) -> str:
        """What messages call the run."""
        return visible(self.label or self.name)

    def without(self, metric: str) -> "Run":
        """The run with a single value of a metric, which is none: NaN."""
        point = (np.zeros(1), np.full(1, np.nan))
        return dataclasses.replace(self, metrics={**self.metrics, metric: point})


def scores(runs: Sequence[Run], options: Options, where: str, step: str = "step") -> Scores:
    """What runs of a tracker say; StudyError for what is not clear, with what there is."""
    if not runs:
        raise StudyError(f"{where}: got no runs; allowed: runs with a metric")
    metric = metric_of(runs, options, where)
    without = [run.called for run in runs if metric not in run.metrics]
    lost = missing.without_metric(without, len(runs), metric, options, where)
    judged = [run if metric in run.metrics else run.without(metric) for run in runs]
    if options.missing == NOT_MADE:
        judged = [run for run in runs if metric in run.metrics]
    labels, assumed, alike = labels_of(judged, options, where)
    picked, words = picked_values(judged, metric, options, where, step)
    frame = pd.concat([labels, picked], axis=1)
    frame.index = pd.Index([run.called for run in judged])
    check_repeats(frame, where)
    paired = None if "seed" in labels else False
    if "seed" not in frame:
        frame["seed"] = [f"{where}:{name}" for name in frame.index]
        assumed.append("No setting is a seed: unpaired, each run counts by itself.")
    sentences = tuple(filter(None, [*assumed, *lost, *words]))
    return Scores(frame, metric, "", options.higher_is_better, sentences, None, paired, alike)


def names_in(mappings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names in any of some mappings, each once, in their order."""
    return list(dict.fromkeys(itertools.chain.from_iterable(mappings)))


def metric_of(runs: Sequence[Run], options: Options, where: str) -> str:
    """The metric that is judged: the one that is named, or the only one there is."""
    metrics = names_in([run.metrics for run in runs])
    if options.value is not None:
        return check_column("value", options.value, metrics, where)
    if len(metrics) != 1:
        raise StudyError(f"{where}: value: got {len(metrics)} metrics; {listing(metrics)}")
    return metrics[0]


def listing(available: Sequence[str]) -> str:
    """`allowed: a, b`."""
    return visible(choices("", available))


def labels_of(
    runs: Sequence[Run], options: Options, where: str
) -> tuple[pd.DataFrame, list[str], tuple[str, ...]]:
    """Columns level and, if known, seed, task and group, a row per run; assumptions; confounders.

    They are settings of the runs; without any, or with a pattern, parts of their names.
    """
    available = names_in([run.settings for run in runs])
    if options.run_name is not None or not available:
        return *names.labels([run.name for run in runs], options, where), ()
    roles: dict[str, str] = {}
    for role in ("seed", "task", "group", "level"):
        column = column_of(role, options, available, where, [*roles.values()])
        if column and (role != "task" or options.task or varies(runs, column)):
            roles[role] = column
    assumed = [said_or_assumed(role, name, options) for role, name in roles.items()]
    if "level" not in roles:
        roles["level"] = varying_setting(runs, available, [*roles.values()], where)
        assumed.append(f"{roles['level']!r} is taken as the level: it alone differs between runs.")
    labels = pd.DataFrame(
        {role: column_of_settings(runs, role, name, where) for role, name in roles.items()}
    )
    alike, sentences = confounded(runs, available, roles, labels)
    return labels, assumed + sentences, alike


def varies(runs: Sequence[Run], name: str) -> bool:
    """Whether a setting has several values."""
    return len({str(run.settings.get(name)) for run in runs}) > 1


def varying_setting(
    runs: Sequence[Run], available: Sequence[str], used: Sequence[str], where: str
) -> str:
    """The one setting that differs between runs; StudyError if there is none, or several."""
    free = [name for name in available if name not in used and not name.startswith("_")]
    varying = [name for name in free if varies(runs, name)]
    if len(varying) != 1:
        got = f"{len(varying)} settings that differ between runs"
        raise StudyError(f"{where}: level: got {got}; {listing(varying or free)}")
    return varying[0]


def confounded(
    runs: Sequence[Run],
    available: Sequence[str],
    roles: Mapping[str, str],
    labels: pd.DataFrame,
) -> tuple[tuple[str, ...], list[str]]:
    """Settings that differ exactly as the level; sentences on all without a role that differ."""
    free = [name for name in available if name not in roles.values()]
    others = []
    for name in free:
        if not name.startswith("_") and last_part(name) not in NAMES["seed"] and varies(runs, name):
            others.append(name)
    cells = pd.DataFrame({role: labels.get(role, "") for role in CELL}, index=labels.index)
    columns = {}
    for name in others:
        columns[name] = pd.Series([str(run.settings.get(name, "")) for run in runs])
    coinciding = confounders.coinciding(cells, columns)
    sentences = confounders.sentences(coinciding)
    rest = [name for name in others if name not in coinciding]
    if rest:
        sentences.append(f"Settings that differ between runs as well: {listed(rest)}.")
    return tuple(coinciding), sentences


def column_of_settings(runs: Sequence[Run], role: str, name: str, where: str) -> list[str]:
    """A setting of every run as text; StudyError if a run has none."""
    column = []
    for run in runs:
        value = run.settings.get(name)
        if value is None or not str(value).strip():
            raise StudyError(f"{where}: run {run.called}: {role}: no {name}; allowed: a {role}")
        is_whole = isinstance(value, float) and value.is_integer()
        column.append(visible(int(value) if is_whole else value))
    return column


def picked_values(
    runs: Sequence[Run], metric: str, options: Options, where: str, step: str
) -> tuple[pd.DataFrame, list[str]]:
    """The column value, a row per run, and what was assumed."""
    lengths = [len(run.metrics[metric][0]) for run in runs]
    frame = pd.DataFrame(
        {
            "run": np.repeat(np.arange(len(runs)), lengths),
            "step": np.concatenate([run.metrics[metric][0] for run in runs]).astype(float),
            "value": np.concatenate([run.metrics[metric][1] for run in runs]).astype(float),
        }
    )
    frame.index = pd.Index(np.repeat([run.called for run in runs], lengths))
    others = sorted(set(names_in([run.metrics for run in runs])) - {metric})
    if options.pick is not None and pick_of(options.pick).name:
        name = check_column("pick", pick_of(options.pick).name, others, where)
        frame["by"] = np.concatenate([at_steps(run, name, metric) for run in runs])
    several = Several(frame, metric, step, tuple(others))
    picked, words = one_per_run(several, options, where)
    return picked[["value"]].reset_index(drop=True), words


def at_steps(run: Run, name: str, metric: str) -> np.ndarray:
    """A run's other metric at the steps of the judged one, NaN if it has none there."""
    steps = run.metrics[metric][0]
    if name not in run.metrics:
        return np.full(len(steps), np.nan)
    other_steps, other_values = run.metrics[name]
    by_step = dict(zip(other_steps.tolist(), other_values.tolist(), strict=True))
    return np.array([by_step.get(step, np.nan) for step in steps.tolist()], dtype=float)


def check_repeats(frame: pd.DataFrame, where: str) -> None:
    """StudyError if two runs are one level, seed and task."""
    if "seed" not in frame:
        return
    key = [name for name in ("task", "group", "level", "seed") if name in frame]
    repeated = frame.duplicated(key, keep=False)
    if not repeated.any():
        return
    row = frame[repeated].iloc[0]
    same = (frame[key] == row[key]).all(axis=1)
    called = [str(name) for name in frame.index[same]]
    raise StudyError(
        f"{where}: runs {listed(called)}: got level {row['level']!r:.60}, seed {row['seed']!r:.40} "
        f"{len(called)} times; runs of one seed are no replicates (pseudo-replication); allowed: "
        "one run per level, seed and task; to fix: remove the others, or name their task"
    )
