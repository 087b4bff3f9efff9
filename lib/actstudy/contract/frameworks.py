"""What may train a run: PyTorch, or Keras 3 on a back end; seen without importing any."""

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from functools import cache

from actstudy.contract.errors import StudyError

TORCH = "torch"
DISTRIBUTIONS = {  # by the package that is imported, where their names are others
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tf-nightly", "tensorflow-rocm"),
}
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


@cache
def versions(framework: str) -> dict[str, str]:
    """Package -> version of Keras and its back end, which are not imported; none of torch alone."""
    packages = FRAMEWORKS[framework].packages if framework in FRAMEWORKS else ()
    return {name: version(name) for name in packages}


def version(package: str) -> str:
    """The version of an installed package; TensorFlow's has several names."""
    for name in DISTRIBUTIONS.get(package, (package,)):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"


def not_importable(framework: str, error: Exception) -> StudyError:
    """The one line on a framework that is installed and that cannot be imported."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return StudyError(f"{framework} cannot be imported: {lines[0]}; to fix: {INSTALL}")


def check_installed(framework: str, where: str) -> None:
    """StudyError, with the one command that installs it, if a framework is not there."""
    absent = missing(framework)
    if absent:
        fault = f"got {framework!r}, and {' and '.join(absent)} cannot be imported"
        raise StudyError(f"{where}: framework: {fault}; to fix: {INSTALL}")
