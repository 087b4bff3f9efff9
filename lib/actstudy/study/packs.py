"""Which runs train together as one: those that share all but the fields of STACKED, `pack_width` at a time."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from actstudy.contract import registry
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import DEFAULTS, RunSpec, canonical, from_json, run_id
from actstudy.study.grid import PlannedRun

STACKED: dict[str, Any] = {  # field -> what stands for it where runs of one pack are looked for
    "activation": "relu",
    "activation_args": {},
    "seed": 0,
    "init": "auto",
    "init_args": {},
    "lr": 1.0,
    "weight_decay": 0.0,
}
MEMBERS = "runs.json"  # beside a pack's checkpoints: the ids of its runs
EVEN = 16  # values that vector instructions take at a time; what is left over is computed one by one, in other bits
ALLOWED: dict[str, tuple[Any, ...]] = {
    "optimizer": ("sgd", "adam", "adamw"),
    "precision": ("fp32", "tf32", "bf16"),
    "norm": ("none",),
    "dropout": (0.0,),
    "accumulate": (1,),
    "deterministic_shuffle": (True,),
}


def shared(spec: RunSpec) -> str:
    """What the runs of a pack have in common, as JSON."""
    return canonical(dataclasses.replace(spec, **STACKED))


def check(spec: RunSpec, where: str) -> None:
    """StudyError where a run asks for a pack that it cannot be part of, or for a width without one."""
    if spec.engine != "pack":
        if spec.pack_width != DEFAULTS["pack_width"]:
            raise StudyError(
                f"{where}: pack_width: got {spec.pack_width} with engine {spec.engine}; allowed: engine: pack"
            )
        return
    if not registry.task(spec.task).get("packs"):
        tasks = [task for task in registry.tasks() if registry.task(task).get("packs")]
        raise StudyError(
            f"{where}: engine: got 'pack' for task {spec.task}; allowed for: {', '.join(tasks)}"
        )
    for name, values in ALLOWED.items():
        if getattr(spec, name) not in values:
            shown = ", ".join("null" if value is None else str(value) for value in values)
            raise StudyError(
                f"{where}: {name}: got {getattr(spec, name)} with engine pack; allowed there: {shown}"
            )
    odd = [width for width in spec.hidden or (spec.width or 0,) if width % EVEN]
    if odd:
        because = "so that a run's bits do not depend on its place in the pack"
        raise StudyError(
            f"{where}: width: got {odd[0]} with engine pack; allowed there: multiples of {EVEN}, {because}"
        )
    names = (
        [spec.activation]
        if isinstance(spec.activation, str)
        else [name for _, name in spec.activation]
    )
    learnt = registry.literal("nets/activations.py", "LEARNT")
    for name in names:
        if name in learnt:
            raise StudyError(
                f"{where}: activation: got {name!r} with engine pack; allowed there: those without weights"
            )


def packs(runs: Iterable[PlannedRun]) -> dict[str, list[RunSpec]]:
    """The runs that train as packs, by the packs' names; filled seed by seed, so that another seed is another pack."""
    alike: dict[str, list[RunSpec]] = {}
    for spec in sorted(
        (run.spec for run in runs if run.spec.engine == "pack"), key=lambda spec: spec.seed
    ):
        alike.setdefault(shared(spec), []).append(spec)
    made = [
        part[i : i + part[0].pack_width]
        for part in alike.values()
        for i in range(0, len(part), part[0].pack_width)
    ]
    return {name(members): members for members in made}


def name(members: Iterable[RunSpec]) -> str:
    """12 hex digits that name a pack by its members, in any order."""
    return hashlib.sha256(",".join(sorted(run_id(spec) for spec in members)).encode()).hexdigest()[
        :12
    ]


def written(members: Iterable[RunSpec]) -> str:
    """The specs of a pack as JSON: what they share, once, and what each has of its own."""
    members = list(members)
    each = [json.loads(canonical(spec)) for spec in members]
    common = {
        key: value
        for key, value in each[0].items()
        if all(one.get(key, ...) == value for one in each)
    }
    own = [{key: value for key, value in one.items() if key not in common} for one in each]
    return json.dumps({"shared": common, "runs": own}, sort_keys=True, separators=(",", ":"))


def read(text: str) -> list[RunSpec]:
    """The specs that `written` wrote."""
    content = json.loads(text)
    return [from_json(json.dumps({**content["shared"], **own})) for own in content["runs"]]
