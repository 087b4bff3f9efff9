"""The models of `nets` that a task takes by name: titles, run fields, sites, read from literals.

The literal MODEL of such a file says its title and its run fields. A model of stages has BLOCKS,
the number of blocks in each; `depth`, if it is set, is the most that a stage may have.
"""

import itertools
from collections.abc import Sequence
from functools import cache
from typing import Any

from actstudy.contract import declarations, errors, literals, own, own_models, registry
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import RunSpec

OR_OWN = f"{own_models.ALLOWED}, or null for the task's own model"


def names(task: str) -> list[str]:
    """The models that a task takes by name, its own among them; empty if it takes none so."""
    return list(registry.task(task).get("nets", ()))


def of_task(task: str) -> str | None:
    """The file of `nets` of a task's own model; None of someone's own task that names none."""
    net: str | None = registry.task(task).get("net")
    return net


def of_run(spec: RunSpec) -> str | None:
    """The file of `nets` of a run's model; None if that is someone's own code."""
    if own.is_path(spec.model):
        return None
    return spec.model or of_task(spec.task)


def files(spec: RunSpec) -> list[str]:
    """The file of a run's model, if its task takes models by name and imports the one it makes."""
    net = of_run(spec)
    return [f"nets/{net}.py"] if net and names(spec.task) else []


def check_name(name: str) -> str:
    """The name of a model that some task takes, or an import path; else StudyError."""
    if own.is_path(name):
        return own_models.check(name)
    models = known()
    if name not in models:
        raise StudyError(f"got {name!r}; {errors.choices(name, models)}, {OR_OWN}")
    return name


def known() -> list[str]:
    """The models that registered tasks take by name."""
    models: dict[str, None] = {}
    for task in registry.tasks():
        models.update(dict.fromkeys(_names_if_sound(task)))
    return list(models)


def _names_if_sound(task: str) -> list[str]:
    """The models that a task takes by name; none of a task whose file is broken."""
    try:
        return names(task)
    except StudyError:
        return []


def check(task: str, model: str | None, where: str) -> None:
    """StudyError if a task does not take a model by this name."""
    if model is None or own.is_path(model) or model in names(task):
        return
    allowed = ", ".join([*names(task), OR_OWN])
    raise StudyError(f"{where}: model: got {model!r} for task {task}; allowed: {allowed}")


@cache
def declared(net: str) -> dict[str, Any]:
    """The literal `MODEL` of a model that tasks take by name: its title and its run fields."""
    file = f"nets/{net}.py"
    literal: dict[str, Any] = registry.literal(file, "MODEL")
    declarations.check_model(literal, f"{literals.path_of(file)}: MODEL")
    return literal


def fields(task: str, model: str | None) -> list[str]:
    """The run fields that a run's model uses: its task's own, a named one, or one of a path."""
    own_fields = list(registry.task(task)["model_fields"])
    if model is None:
        return own_fields
    if own.is_path(model):
        return own_models.uses(model, own_fields)
    of_data = [name for name in own_fields if name in own_models.OF_DATA]
    return [*declared(model)["fields"], *of_data]


def is_optional(model: str | None, field: str) -> bool:
    """Whether a model that a run names can be made without a value of one of its run fields."""
    if model is None:
        return False
    if own.is_path(model):
        return own_models.is_optional(model, field)
    return field == "depth" and "BLOCKS" in literals.assignments(f"nets/{model}.py")


def min_pixels(spec: RunSpec) -> int:
    """The least height and width of images that a run's model takes with its stem."""
    net = of_run(spec)
    if net is None or "MIN_PIXELS" not in literals.assignments(f"nets/{net}.py"):
        return 1
    least: int = registry.literal(f"nets/{net}.py", "MIN_PIXELS")[spec.stem]
    return least


def reads_names(spec: RunSpec) -> bool:
    """Whether a run's model reads the names of the classes: its file says READS_NAMES."""
    net = of_run(spec)
    return net is not None and "READS_NAMES" in literals.assignments(f"nets/{net}.py")


def sites(net: str, depth: int | None) -> list[str]:
    """The activation sites of a model, in order; StudyError if SITES names none.

    `{index}` stands for 0 to depth - 1, `{stage}` and `{block}` for each block of BLOCKS. depth:
    None or 0 if it is not set.
    """
    file = f"nets/{net}.py"
    patterns = registry.literal(file, "SITES")
    is_list = isinstance(patterns, list | tuple)
    if not is_list or not all(isinstance(pattern, str) for pattern in patterns):
        got = f"got {patterns!r:.80}"
        raise StudyError(f"{literals.path_of(file)}: SITES: {got}; allowed: a list of texts")
    expanded: list[str] = []
    for is_of_blocks, group in itertools.groupby(patterns, lambda pattern: "{block}" in pattern):
        if is_of_blocks:
            expanded += _of_blocks(list(group), registry.literal(file, "BLOCKS"), depth)
        else:
            expanded += _of_layers(list(group), depth or 0)
    if not expanded:
        allowed = "sites; {index} stands for 0 to depth - 1, so depth must be a model field"
        got = f"got {patterns} at depth {depth or 0}"
        raise StudyError(f"{literals.path_of(file)}: SITES: {got}; allowed: {allowed}")
    return expanded


def _of_layers(patterns: Sequence[str], depth: int) -> list[str]:
    """The sites of patterns, each for 0 to depth - 1 if it has an index."""
    expanded = []
    for pattern in patterns:
        count = depth if "{index}" in pattern else 1
        expanded += [pattern.replace("{index}", str(index)) for index in range(count)]
    return expanded


def _of_blocks(patterns: Sequence[str], blocks: Sequence[int], depth: int | None) -> list[str]:
    """The sites of patterns, all of them for each block of each stage."""
    expanded = []
    for stage, count in enumerate(blocks):
        for block in range(min(count, depth or count)):
            for pattern in patterns:
                name = pattern.replace("{stage}", str(stage)).replace("{block}", str(block))
                expanded.append(name)
    return expanded
