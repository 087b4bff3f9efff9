"""Names that a study may use, read from source files so that planning never imports torch."""

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, cast

from actstudy.contract.errors import check_name

TOKENIZED = ("passages", "text")  # kinds of data that become tokens, of a vocabulary and a context
PACKAGE = Path(__file__).resolve().parents[1]
FIGURES = "analysis/figures/__init__.py"


@cache
def tree(file: str) -> ast.Module:
    """The syntax tree of a file of the package."""
    return ast.parse((PACKAGE / file).read_text(encoding="utf-8"))


def entry(file: str, name: str, key: str) -> ast.expr:
    """The expression under a key of the dictionary that a file of the package assigns to `name`."""
    registry = cast(ast.Dict, _assignments(file)[name])
    keys = [getattr(node, "value", None) for node in registry.keys]
    return registry.values[keys.index(key)]


def module_file(module: str) -> str | None:
    """The file of the package that holds a module, from `lib/actstudy` on; None for others."""
    parts = module.split(".")
    if parts[0] != PACKAGE.name:
        return None
    path = PACKAGE.joinpath(*parts[1:])
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file.relative_to(PACKAGE).as_posix()
    return None


@cache
def _assignments(file: str) -> dict[str, ast.expr]:
    """Name -> expression of the assignments at the top level of a file of the package."""
    expressions: dict[str, ast.expr] = {}
    for node in tree(file).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(node, ast.AnnAssign):
            target = node.target
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and value is not None:
            expressions[target.id] = value
    return expressions


@cache
def literal(file: str, name: str) -> Any:
    """The literal that a file of the package assigns to `name`."""
    return ast.literal_eval(_assignments(file)[name])


@cache
def entries(file: str, name: str, keyword: str) -> dict[str, Any]:
    """Entry name -> the literal of one keyword, for a dict of calls such as `Activation(...)`.

    None for entries that are no calls and for calls without the keyword.
    """
    registry = cast(ast.Dict, _assignments(file)[name])
    literal_by_entry: dict[str, Any] = {}
    for key, value in zip(registry.keys, registry.values, strict=True):
        entry = str(cast(ast.Constant, key).value)
        literal_by_entry[entry] = None
        for part in value.keywords if isinstance(value, ast.Call) else []:
            if part.arg == keyword:
                literal_by_entry[entry] = ast.literal_eval(part.value)
    return literal_by_entry


@cache
def arguments(file: str, name: str) -> dict[str, dict[str, Any]]:
    """Entry name -> its `args` with their defaults, empty if it has none."""
    return {entry: args or {} for entry, args in entries(file, name, "args").items()}


@cache
def files(room: str, name: str) -> tuple[str, ...]:
    """The files of a room that assign `name`: the file name is the registry."""
    stems = sorted(path.stem for path in (PACKAGE / room).glob("*.py"))
    return tuple(stem for stem in stems if name in _assignments(f"{room}/{stem}.py"))


def activations() -> dict[str, dict[str, Any]]:
    """Activation name -> its arguments with their defaults."""
    return arguments("nets/activations.py", "ACTIVATIONS")


def aliases() -> dict[str, str]:
    """Alias -> the activation that it names."""
    return dict(literal("nets/activations.py", "ALIASES"))


def activation(name: str) -> str:
    """The canonical name of an activation; StudyError if it is neither one nor an alias."""
    known = check_name(name, "activation", [*activations(), *aliases()])
    return aliases().get(known, known)


def init_policies() -> dict[str, dict[str, Any]]:
    """Init policy -> its arguments with their defaults."""
    return arguments("nets/initializers.py", "POLICIES")


def tasks() -> tuple[str, ...]:
    """Names of all tasks."""
    return files("tasks", "TASK")


def task(name: str) -> dict[str, Any]:
    """The literal `TASK` of a task's file: its model, metrics, defaults, targets and margin."""
    return literal(f"tasks/{name}.py", "TASK")


def site_names(task_name: str, depth: int) -> list[str]:
    """The activation sites of a task's model, in order."""
    patterns = literal(f"nets/{task(task_name)['net']}.py", "SITES")
    names = []
    for pattern in patterns:
        count = depth if "{index}" in pattern else 1
        names += [pattern.format(index=index) for index in range(count)]
    return names


def datasets() -> tuple[str, ...]:
    """Names of all data sets."""
    return files("data/sets", "DATASET")


def dataset(name: str) -> dict[str, Any]:
    """The literal `DATASET` of a data set's file: source, licence, version, shape."""
    return literal(f"data/sets/{name}.py", "DATASET")


def task_figures(predicts: str, crossed: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of the figures of a task, in the order of the page.

    predicts: `classes` or `tokens`; crossed: the axes that the task crosses, and `tune_lr` if its
    learning rate is tuned.
    """
    available = {predicts, *crossed}
    names = []
    for name, needs in entries(FIGURES, "TASK_FIGURES", "needs").items():
        if available.issuperset(needs or ()):
            names.append(name)
    return tuple(names)


def study_figures() -> tuple[str, ...]:
    """Names of the figures of a whole study, in the order of the page."""
    return tuple(entries(FIGURES, "STUDY_FIGURES", "needs"))
