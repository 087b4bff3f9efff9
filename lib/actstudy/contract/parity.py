"""Whether Keras computes what torch does: the cell that a run belongs to, and what was found of it.

Runs that differ only in what no single step depends on (seed, length, rate) share a cell, also
those of fp32 and TF32, and those of bf16 and fp16: a CPU has neither TF32 nor fp16. Its checks are
made once, on a CPU, and are a file that its runs wait for.
"""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from actstudy.contract import store
from actstudy.contract.spec import DEFAULTS, RunSpec, canonical

FOLDER = store.RESULTS / "parity"
FAILED = "parity: "  # begins the reason of a run whose cell failed
FREE = (  # fields of a run that its cell does not depend on
    "lr",
    "schedule",
    "warmup",
    "epochs",
    "steps",
    "eval_every",
    "patience",
    "strict",
    "deterministic_shuffle",
)
HALF = "bf16"  # the half precision that a CPU computes in
PRECISIONS = {"tf32": "fp32", "fp16": HALF}  # precision of a run -> that of its cell, if it differs


@dataclasses.dataclass(frozen=True)
class Check:
    """One comparison with torch: `value`, at most `limit`; where: the layer or step it was worst.

    For the first check that fails: the layer or step where the two first part.
    """

    name: str
    where: str
    value: float
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the value is a number within the limit."""
        return self.value <= self.limit

    @property
    def words(self) -> str:
        """What was compared, where, its value and what is allowed."""
        return f"{self.name} at {self.where}: {self.value:.3g}, allowed {self.limit:.3g}"


def cell(spec: RunSpec) -> RunSpec:
    """The run of seed 0 that stands for all runs of a cell, its free fields at their defaults."""
    shared: dict[str, Any] = {name: DEFAULTS[name] for name in FREE}
    shared["precision"] = PRECISIONS.get(spec.precision, spec.precision)
    return dataclasses.replace(spec, seed=0, **shared)


def name(spec: RunSpec) -> str:
    """The name of a run's cell: `keras-jax-<12 hex>`."""
    digest = hashlib.sha256(canonical(cell(spec)).encode()).hexdigest()
    return f"{spec.framework}-{digest[:12]}"


def path(spec: RunSpec, folder: Path = FOLDER) -> Path:
    """The file of what was found of a run's cell."""
    return folder / f"{name(spec)}.json"


def failure(content: dict[str, Any]) -> str:
    """The first check that failed, as words; empty if all passed or could be made.

    content: of the file: `checks`, each as Check has it, and `error`, why they could not be made.
    """
    if content.get("error"):
        return str(content["error"])
    for values in content["checks"]:
        check = Check(**values)
        if not check.passed:
            return check.words
    return ""


def read(file: Path) -> dict[str, Any]:
    """The content of a cell's file; Damaged if it is not as a comparison left it."""
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        failure(content)
        is_whole = bool(content["checks"] or content["error"])
    except (ValueError, TypeError, KeyError, AttributeError):
        is_whole = False
    if not is_whole:
        fix = f"rm {file}, then the same command"
        raise store.Damaged(f"{file} is not a comparison; to fix: {fix}")
    return content
