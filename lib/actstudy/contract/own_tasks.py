"""Someone's own task, `package.module:TASK`: its literal and its functions, read and not run."""

from collections.abc import Collection
from typing import Any

from actstudy.contract import declarations, own, own_code, syntax
from actstudy.contract.errors import StudyError

FUNCTIONS = ("build", "loss", "train_scores", "evaluate", "reference")  # of every task's module
REFERENCE = "reference"  # the one that changes no run
ALLOWED = "package.module:TASK, where TASK is the literal of a task's module"


def declared(path: str) -> dict[str, Any]:
    """The literal `TASK` of a path; StudyError if it, or a function of its module, is wrong."""
    definition = own.find(path)
    module, _, name = path.partition(":")
    if name != own.TASK:
        raise StudyError(f"{path}: got {name!r}; allowed: {ALLOWED}")
    literal: dict[str, Any] = own.literal(path)
    checked = literal
    if isinstance(literal, dict):  # without `net`, its model is asked for its sites
        checked = {"net": module, **literal}
    declarations.check_task(checked, f"{definition.file}: TASK")
    absent = [function for function in FUNCTIONS if own.define(module, function) is None]
    if absent:
        missing = f"missing: {', '.join(absent)}"
        allowed = f"functions {', '.join(FUNCTIONS)}"
        raise StudyError(f"{definition.file}: {missing}; allowed: {allowed}")
    return literal


def digest(path: str, reader_keys: Collection[str]) -> str:
    """12 hex digits of the SHA-256 of what decides a task's runs.

    That is its literal without what only a reader or a study uses, and its functions but for
    `reference`. If its module declares a version for TASK, that number alone counts.
    """
    version = own_code.declared_version(path)
    if version is not None:
        return syntax.digest([own_code.VERSIONS, version])
    literal = own.literal(path)
    decisive = sorted((key, repr(literal[key])) for key in literal.keys() - set(reader_keys))
    return syntax.digest([decisive, [own_code.digest(part) for part in function_paths(path)]])


def function_paths(path: str) -> list[str]:
    """The import paths of the functions of a task that decide its runs."""
    module = path.partition(":")[0]
    return [f"{module}:{name}" for name in FUNCTIONS if name != REFERENCE]


def digest_of_reference(path: str) -> str:
    """12 hex digits of the SHA-256 of a task's reference method, and all that it uses."""
    return own_code.digest(f"{path.partition(':')[0]}:{REFERENCE}")
