"""What a run of Keras takes: whether its fields go together, and whether Keras is there."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from actstudy.contract import frameworks, own, store
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import RunSpec, names_in
from actstudy.study.grid import PlannedRun

TASKS = ("vision",)  # whose models have a twin in Keras
ALLOWED: dict[str, tuple[Any, ...]] = {
    "optimizer": ("sgd", "adam", "adamw"),
    "engine": ("eager", "compiled"),  # two spellings of one: Keras decides what it compiles
    "dropout": (0.0,),
    "mix": ("none",),
}
WITHOUT_TWIN = {  # activation -> why it has no layer in Keras
    "rrelu": "whose draws are torch's own",
    "xielu": "which has no layer in Keras here",
    "apl": "which has no layer in Keras here",
}


def spelt(spec: RunSpec) -> RunSpec:
    """The run; `engine` of one with Keras is eager, also where the study says compiled.

    So that one run has one id.
    """
    if spec.framework == frameworks.TORCH or spec.engine != "compiled":
        return spec
    return dataclasses.replace(spec, engine="eager")


def check(spec: RunSpec, where: str) -> None:
    """StudyError if a run with Keras has a field that only PyTorch's runs take."""
    if spec.framework == frameworks.TORCH:
        return
    if spec.task not in TASKS:
        allowed = f"torch; with Keras only task {' or '.join(TASKS)}"
        got = f"got {spec.framework!r} for task {spec.task}"
        raise StudyError(f"{where}: framework: {got}; allowed: {allowed}")
    for name, allowed_values in ALLOWED.items():
        got = getattr(spec, name)
        if got not in allowed_values:
            allowed = ", ".join(map(str, allowed_values))
            fault = f"got {got!r} with {spec.framework}; allowed: {allowed}"
            raise StudyError(f"{where}: {name}: {fault}")
    for name in names_in(spec.activation):
        if name in WITHOUT_TWIN:
            fault = f"got {name!r} with {spec.framework}, {WITHOUT_TWIN[name]}"
            raise StudyError(f"{where}: activation: {fault}; allowed: others, or framework torch")
        if own.is_path(name):
            fault = f"got {name!r}, your own, with {spec.framework}"
            allowed = "registered names, or framework torch"
            raise StudyError(f"{where}: activation: {fault}; allowed: {allowed}")


def check_installed(runs: Iterable[PlannedRun], file: str, root: Path = store.RUNS) -> None:
    """StudyError, with the command that installs it, if a run still to train lacks its framework.

    Published runs need none, so that a page can be made anew where Keras is not.
    """
    for run in runs:
        published = store.run_folder(run.spec, root) / store.MANIFEST
        if frameworks.missing(run.spec.framework) and not published.is_file():
            frameworks.check_installed(run.spec.framework, f"{file}: tasks.{run.spec.task}")
