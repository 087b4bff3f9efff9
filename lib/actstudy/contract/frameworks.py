"""What may train a run: PyTorch, or Keras 3 on a back end; seen without importing any."""

import importlib.util
from dataclasses import dataclass

from actstudy.contract.errors import StudyError

TORCH = "torch"
INSTALL = "pip install 'actstudy[keras]'"


@dataclass(frozen=True)
class Framework:
    """A framework's back end, as KERAS_BACKEND names it, and the packages that it needs."""

    backend: str
    packages: tuple[str, ...]


FRAMEWORKS = {
    "keras-jax": Framework("jax", ("keras", "jax")),
    "keras-tensorflow": Framework("tensorflow", ("keras", "tensorflow")),
    "keras-torch": Framework("torch", ("keras",)),
}


def missing(framework: str) -> list[str]:
    """The packages of a framework that are not installed; none of `torch`, which always is."""
    if framework == TORCH:
        return []
    packages = FRAMEWORKS[framework].packages
    return [name for name in packages if importlib.util.find_spec(name) is None]


def check_installed(framework: str, where: str) -> None:
    """StudyError, with the one command that installs it, if a framework is not there."""
    absent = missing(framework)
    if absent:
        fault = f"got {framework!r}, and {' and '.join(absent)} cannot be imported"
        raise StudyError(f"{where}: framework: {fault}; to fix: {INSTALL}")
