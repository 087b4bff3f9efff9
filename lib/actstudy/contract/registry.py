"""Names that a study may use, read from source files so that planning never imports torch."""

import ast
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Any

from actstudy.contract import (
    declarations,
    literals,
    own,
    own_data,
    own_hints,
    own_parameters,
    own_tasks,
)
from actstudy.contract.errors import StudyError, check_name, choices
from actstudy.contract.literals import PACKAGE

FIGURES = "analysis/figures/__init__.py"
WITH_OUTCOMES = ("classes", "values")  # what a task predicts whose runs train or stall


@cache
def literal(file: str, name: str) -> Any:
    """The literal that a file of the package assigns to `name`."""
    where = f"{literals.path_of(file)}: {name}"
    if name not in literals.assignments(file):
        raise StudyError(f"{where}: missing; allowed: {name} = {literals.LITERAL}")
    return literals.value_of(literals.assignments(file)[name], where)


@cache
def entries(file: str, name: str, keyword: str) -> dict[str, Any]:
    """Entry name -> the literal of one keyword, for a dict of calls such as `Activation(...)`.

    None for entries that are no calls and for calls without the keyword.
    """
    where = f"{literals.path_of(file)}: {name}"
    registry = literals.assignments(file)[name]
    if not isinstance(registry, ast.Dict):
        got = f"line {registry.lineno}: got {ast.unparse(registry):.80}"
        raise StudyError(f"{where}: {got}; allowed: entries in braces")
    literal_by_entry: dict[str, Any] = {}
    for key, value in zip(registry.keys, registry.values, strict=True):
        entry = str(literals.value_of(key or value, where))
        literal_by_entry[entry] = None
        for part in value.keywords if isinstance(value, ast.Call) else []:
            if part.arg == keyword:
                literal_by_entry[entry] = literals.value_of(
                    part.value, f"{where}: {entry}: {keyword}"
                )
    return literal_by_entry


@cache
def arguments(file: str, name: str) -> dict[str, dict[str, Any]]:
    """Entry name -> its `args` with their defaults, empty if it has none."""
    return {entry: args or {} for entry, args in entries(file, name, "args").items()}


@cache
def files(room: str, name: str) -> tuple[str, ...]:
    """The files of a room that assign `name`: the file name is the registry.

    One that names it and cannot be parsed is among them, so that only what asks for it is refused.
    """
    stems = sorted(path.stem for path in (PACKAGE / room).glob("[!.]*.py"))
    return tuple(stem for stem in stems if literals.may_assign(f"{room}/{stem}.py", name))


def activations() -> dict[str, dict[str, Any]]:
    """Activation name -> its arguments with their defaults."""
    return arguments("nets/activations.py", "ACTIVATIONS")


def feed_forward() -> dict[str, dict[str, Any]]:
    """The same of the activations of a Transformer's feed-forward part alone."""
    return arguments("nets/feed_forward.py", "FEED_FORWARD")


def activation_names() -> list[str]:
    """All registered activations, without their aliases."""
    return [*activations(), *feed_forward()]


def needs_units(name: str) -> bool:
    """Whether an activation has weights per unit, so that a model must say how many there are."""
    return bool(entries("nets/activations.py", "ACTIVATIONS", "per_unit").get(name))


def activation_arguments(name: str) -> dict[str, Any]:
    """Arguments of an activation with their defaults; of someone's own those that are numbers."""
    if not own.is_path(name):
        return {**activations(), **feed_forward()}[name]
    parameters = own_parameters.of(name) or {}
    return {key: value for key, value in parameters.items() if type(value) in (int, float)}


def aliases() -> dict[str, str]:
    """Alias -> the activation that it names."""
    return dict(literal("nets/activations.py", "ALIASES"))


def activation(name: str, left_out: Collection[str] = ()) -> str:
    """The canonical name or someone's import path; else StudyError, its hint without `left_out`."""
    if own.is_path(name):
        own.find(name)
        return name
    names = [*activation_names(), *aliases()]
    if name not in names:
        offered = [other for other in names if other not in left_out]
        raise StudyError(own_hints.unknown_activation(name, offered))
    return aliases().get(name, name)


def function(name: str) -> str:
    """The same of an activation that is a function of one tensor; StudyError for any other."""
    known = activation(name, left_out=feed_forward())
    if known in feed_forward():
        fault = "an activation of a feed-forward part, which gives another shape than it takes"
        raise StudyError(f"{fault}; allowed: {', '.join(activations())}")
    return known


def init_policies() -> dict[str, dict[str, Any]]:
    """Init policy -> its arguments with their defaults."""
    return arguments("nets/initializers.py", "POLICIES")


def tasks() -> tuple[str, ...]:
    """Names of all tasks."""
    return files("tasks", "TASK")


def check_task(name: str) -> str:
    """The name of a task, or the import path of someone's own; else StudyError."""
    if own.PATH.fullmatch(name):
        task(name)
        return name
    return check_name(name, "task", tasks())


@cache
def task(name: str) -> dict[str, Any]:
    """The literal `TASK` of a task: its model, metrics, defaults, targets and margin."""
    if own.is_path(name):
        declared = own_tasks.declared(name)
        _check_net(declared, f"{name}: TASK")
        return declared
    file = f"tasks/{name}.py"
    declared = literal(file, "TASK")
    where = f"{literals.path_of(file)}: TASK"
    declarations.check_task(declared, where)
    _check_net(declared, where)
    _check_functions(file, own_tasks.FUNCTIONS)
    return declared


def _check_net(declared: Mapping[str, Any], where: str) -> None:
    """StudyError if a task names a model that is none."""
    nets = files("nets", "SITES")
    net = declared.get("net", nets[0])
    if net not in nets:
        raise StudyError(f"{where}: net: got {net!r}; {choices(net, nets)}")
    by_name = declared.get("nets", [])
    known = files("nets", "MODEL")
    for name in by_name:
        if name not in known:
            raise StudyError(f"{where}: nets: got {name!r}; {choices(name, known)}")
    if by_name and declared.get("net") not in by_name:
        got = f"got {by_name} and net {declared.get('net')!r}"
        raise StudyError(f"{where}: nets: {got}; allowed: with that of net in it")


def _check_functions(file: str, names: Iterable[str]) -> None:
    """StudyError if a file lacks one of its functions."""
    absent = [name for name in names if name not in literals.functions(file)]
    if absent:
        allowed = f"functions {', '.join(names)}"
        raise StudyError(
            f"{literals.path_of(file)}: missing: {', '.join(absent)}; allowed: {allowed}"
        )


def datasets() -> tuple[str, ...]:
    """Names of all data sets."""
    return files("data/sets", "DATASET")


def dataset(name: str) -> dict[str, Any]:
    """What a data set declares, own data by their name: source, licence, version, shape."""
    return own_data.declaration(name) or registered_dataset(name)


@cache
def registered_dataset(name: str) -> dict[str, Any]:
    """The literal `DATASET` of a data set's file."""
    file = f"data/sets/{name}.py"
    if not name.isidentifier():
        got = f"the file's name: got {name!r}"
        raise StudyError(f"{literals.path_of(file)}: {got}; allowed: letters, digits and _")
    declared: dict[str, Any] = literal(file, "DATASET")
    declarations.check_dataset(declared, f"{literals.path_of(file)}: DATASET")
    _check_functions(file, ["prepare"])
    return declared


def train_size(name: str, unit: str = "TRAIN_SIZE") -> int | None:
    """Examples of a data set's train split, words with TRAIN_WORDS; None if its file has none."""
    if own_data.declaration(name) is not None:
        return own_data.train_size(name)
    file = f"data/sets/{name}.py"
    return literal(file, unit) if unit in literals.assignments(file) else None


def task_figures(predicts: str, crossed: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of the figures of a task, in the order of the page.

    predicts: `classes`, `tokens` or `values`; crossed: the axes that the task crosses, `tune_lr`
    if its learning rate is tuned, and `learnt` if an activation of it learns.
    """
    available = {predicts, *crossed}
    if predicts in WITH_OUTCOMES:
        available.add("outcomes")
    names = []
    for name, needs in entries(FIGURES, "TASK_FIGURES", "needs").items():
        if available.issuperset(needs or ()):
            names.append(name)
    return tuple(names)


def study_figures() -> tuple[str, ...]:
    """Names of the figures of all tasks together, in the order of the page."""
    return tuple(entries(FIGURES, "STUDY_FIGURES", "on_page"))


def page_figures(of: str) -> frozenset[str]:
    """Names of the figures that summary.md shows; of: `TASK_FIGURES` or `STUDY_FIGURES`."""
    on_page = entries(FIGURES, of, "on_page")
    return frozenset(name for name, is_on_page in on_page.items() if is_on_page)
