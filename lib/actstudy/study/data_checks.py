"""Whether a run's task takes its data set, and what else follows from what is predicted."""

from collections.abc import Iterable, Mapping
from typing import Any

from actstudy.contract import own_data, registry
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import RunSpec

WORDS = {"classes": "classes", "values": "numbers to predict"}  # what is predicted


def check_is_named(base: Mapping[str, Any], axes: Iterable[str], where: str) -> None:
    """StudyError if no layer names a data set, as some tasks have none of their own."""
    if base.get("dataset") or "dataset" in axes:
        return
    fault = f"missing, as task {base['task']} has no data of its own"
    raise StudyError(
        f"{where}: dataset: {fault}; allowed: {_accepted(registry.task(base['task']))}"
    )


def check(spec: RunSpec, where: str) -> None:
    """StudyError, with the tasks that would do, unless a run's task takes its data set."""
    declared = registry.dataset(spec.dataset)
    task = registry.task(spec.task)
    if not _fits(task, declared):
        others = [name for name in registry.tasks() if _fits_task(name, declared)]
        remedy = f"; to fix: task {' or '.join(others)}" if others else ""
        name = spec.dataset
        if own_data.is_name(name):
            name = declared["title"]
            remedy += _other_target(task, declared)
        got = f"got {name!r}, which holds {_contents(declared, task)}"
        raise StudyError(f"{where}: dataset: {got}; allowed: {_accepted(task)}{remedy}")
    if task["predicts"] == "values" and spec.label_smoothing:
        got = f"got {spec.label_smoothing} of numbers to predict"
        raise StudyError(f"{where}: label_smoothing: {got}; allowed: 0, as it is of classes")


def _fits(task: Mapping[str, Any], declared: Mapping[str, Any]) -> bool:
    """Whether a task takes data of such a kind, and predicts what their labels are."""
    predicts_numbers = task["predicts"] == "values"
    return declared["kind"] in task["takes"] and predicts_numbers == ("target" in declared)


def _other_target(task: Mapping[str, Any], declared: Mapping[str, Any]) -> str:
    """The key of own data that would make their label what a task predicts; empty if none does."""
    if declared["kind"] != "table" or "table" not in task["takes"]:
        return ""
    target = "number" if task["predicts"] == "values" else "class"
    return f"; to fix if the label is one: dataset: target: {target}"


def _fits_task(name: str, declared: Mapping[str, Any]) -> bool:
    """The same of a task by name; one whose file is at fault does not fit."""
    try:
        return _fits(registry.task(name), declared)
    except StudyError:
        return False


def _contents(declared: Mapping[str, Any], task: Mapping[str, Any]) -> str:
    """What a data set holds that a task does not take: other examples, or other labels."""
    kind = str(declared["kind"])
    if kind not in task["takes"]:
        return kind
    if "target" in declared:
        return f"a {kind} with {WORDS['values']}"
    return f"a {kind} with {declared['classes']} classes"


def _accepted(task: Mapping[str, Any]) -> str:
    """The data sets that a task takes, in words."""
    words = f"a data set of {' or '.join(task['takes'])}"
    labels = WORDS.get(task["predicts"], "")
    return f"{words} with {labels}" if labels and "table" in task["takes"] else words
