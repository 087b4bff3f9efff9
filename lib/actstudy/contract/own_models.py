"""Someone's own model, `package.module:FUNCTION`: what its builder names, read and not run.

A builder takes what it names of OFFERED and FIELDS, by name. Parameters with other names need
defaults. What is made otherwise than by `def` or `class`, such as a `functools.partial`, names no
field.
"""

from collections.abc import Sequence
from typing import Any

from actstudy.contract import declarations, own, own_parameters

ALLOWED = "an import path of a function that builds a model, such as mypackage.nets:build"
MAKE_ACT = "make_act"
SIZES = ("shape", "classes", "vocabulary", "context")  # of the data
OFFERED = (MAKE_ACT, *SIZES)
# fields of the data, of their augmentation and of the loss: the task's, whatever its model
OF_DATA = ("vocabulary", "context", "augment", "mix", "views", "loss", "loss_args")
NOT_OFFERED = (*OF_DATA, "drop_path")  # a builder's parameter of that name keeps its own meaning
FIELDS = tuple(name for name in declarations.MODEL_FIELDS if name not in NOT_OFFERED)


def check(path: str) -> str:
    """The import path itself; StudyError if it names nothing."""
    own.find(path)
    return path


def named(path: str) -> dict[str, Any]:
    """Run field that a builder names -> its default there; `...` without one, or if computed."""
    parameters = own_parameters.of(path) or {}
    return {name: default for name, default in parameters.items() if name in FIELDS}


def defaults(path: str) -> dict[str, Any]:
    """Run field -> the default that a builder's source gives it, None left out."""
    return {name: value for name, value in named(path).items() if value not in (..., None)}


def uses(path: str, of_task: Sequence[str]) -> list[str]:
    """The run fields that a model uses; of_task: those of its task's own model.

    `hidden` may be spelt as depth and width.
    """
    fields = [name for name in of_task if name in OF_DATA]
    names = named(path)
    if "hidden" in names:
        names = {"hidden": ..., "depth": ..., "width": ..., **names}
    return [*fields, *names]


def is_optional(path: str, field: str) -> bool:
    """Whether a builder takes a run field that is not set: its default there is None."""
    names = named(path)
    return names.get(field, names.get("hidden", ...)) is None
