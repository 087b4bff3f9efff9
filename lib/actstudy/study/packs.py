"""Packs: runs that differ only in the fields of STACKED train as one, `pack_width` at a time."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from actstudy.contract import own, registry
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import DEFAULTS, RunSpec, canonical, from_json, run_id
from actstudy.study import inspection
from actstudy.study.grid import PlannedRun
from actstudy.study.model_checks import activation_names

STACKED: dict[str, Any] = {  # field -> neutral value used when comparing runs for packing
    "activation": "relu",
    "activation_args": {},
    "code": {},
    "seed": 0,
    "init": "auto",
    "init_args": {},
    "lr": 1.0,
    "weight_decay": 0.0,
}
WIDTH_MULTIPLE = 16  # values per vector instruction; the remainder would be rounded differently
ALLOWED: dict[str, tuple[Any, ...]] = {
    "optimizer": ("sgd", "adam", "adamw"),
    "precision": ("fp32", "tf32", "bf16"),
    "dropout_kind": ("plain",),
    "nesterov": (False,),
    "accumulate": (1,),
    "deterministic_shuffle": (True,),
}


def shared(spec: RunSpec) -> str:
    """What the runs of a pack have in common, as JSON."""
    return canonical(spec, STACKED)


def check(spec: RunSpec, where: str) -> None:
    """StudyError if a run with engine pack cannot be packed, or another sets `pack_width`."""
    if spec.engine != "pack":
        if spec.pack_width != DEFAULTS["pack_width"]:
            got = f"got {spec.pack_width} with engine {spec.engine}; allowed: engine: pack"
            raise StudyError(f"{where}: pack_width: {got}")
        return
    if not registry.task(spec.task).get("packs"):
        tasks = [task for task in registry.tasks() if registry.task(task).get("packs")]
        got = f"got 'pack' for task {spec.task}; allowed for: {', '.join(tasks)}"
        raise StudyError(f"{where}: engine: {got}")
    if spec.model:
        got = f"got 'pack' with model {spec.model}; allowed there: eager, compiled"
        raise StudyError(f"{where}: engine: {got}")
    for name, values in ALLOWED.items():
        if getattr(spec, name) not in values:
            allowed = ", ".join("null" if value is None else str(value) for value in values)
            got = f"got {getattr(spec, name)} with engine pack; allowed there: {allowed}"
            raise StudyError(f"{where}: {name}: {got}; to fix: {name}: {allowed.split(', ')[0]}")
    for width in spec.hidden or (spec.width or 0,):
        if width % WIDTH_MULTIPLE:
            reason = "so that a run's bits do not depend on its place in the pack"
            allowed = f"multiples of {WIDTH_MULTIPLE}, {reason}"
            got = f"got {width} with engine pack; allowed there: {allowed}"
            raise StudyError(f"{where}: width: {got}")
    drawn = registry.literal("nets/activations.py", "RANDOM")
    for name in activation_names(spec):
        if own.is_path(name):
            _check_own(name, spec, where)
        if name in drawn:
            got = f"got {name!r} with engine pack; allowed there: those that draw nothing"
            raise StudyError(f"{where}: activation: {got}")


def _check_own(path: str, spec: RunSpec, where: str) -> None:
    """StudyError if an own activation has weights or values of its own, or mixes elements."""
    answer = inspection.answer(inspection.activation_question(path, spec), where)
    if answer["learns"]:
        fault = "which has weights"
    elif not answer["elementwise"]:
        fault = "which is no function of each value"
    elif answer["keeps"]:
        fault = "whose instances differ by seed, keep buffers or change in calls"
    else:
        return
    allowed = "those without weights that act on each value alone; to fix: engine: eager"
    got = f"got {path!r} with engine pack, {fault}; allowed there: {allowed}"
    raise StudyError(f"{where}: activation: {got}")


def packs(runs: Iterable[PlannedRun]) -> dict[str, list[RunSpec]]:
    """Pack name -> the specs of its runs, of all runs with engine pack.

    Packs are filled seed by seed, so that another seed is another pack.
    """
    specs = [run.spec for run in runs if run.spec.engine == "pack"]
    alike: dict[str, list[RunSpec]] = {}
    for spec in sorted(specs, key=lambda spec: spec.seed):
        alike.setdefault(shared(spec), []).append(spec)
    members_by_name = {}
    for group in alike.values():
        width = group[0].pack_width
        for start in range(0, len(group), width):
            members = group[start : start + width]
            members_by_name[name(members)] = members
    return members_by_name


def name(members: Iterable[RunSpec]) -> str:
    """12 hex digits that name a pack by its members, in any order."""
    ids = ",".join(sorted(run_id(spec) for spec in members))
    return hashlib.sha256(ids.encode()).hexdigest()[:12]


def to_json(members: Iterable[RunSpec]) -> str:
    """The specs of a pack as JSON: the fields that they share, once, and each one's others."""
    runs = [json.loads(canonical(spec)) for spec in members]
    common = {}
    for key, value in runs[0].items():
        if all(run.get(key, ...) == value for run in runs):
            common[key] = value
    own = [{key: value for key, value in run.items() if key not in common} for run in runs]
    return json.dumps({"shared": common, "runs": own}, sort_keys=True, separators=(",", ":"))


def read(text: str) -> list[RunSpec]:
    """The specs that `to_json` wrote."""
    content = json.loads(text)
    return [from_json(json.dumps({**content["shared"], **own})) for own in content["runs"]]
