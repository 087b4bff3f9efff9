"""The runs of a study: the product of its axes, times the seeds."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actstudy.contract.spec import RunSpec, data_name, layered, run_id


@dataclass(frozen=True)
class PlannedRun:
    """A run of a study: its spec, its level on the compared axis, and its place on each other axis that is crossed."""

    spec: RunSpec
    level: str
    places: dict[str, str]

    @property
    def id(self) -> str:
        return run_id(self.spec)

    @property
    def group(self) -> str:
        # Arguments name themselves: `factor=2`.
        return ", ".join(
            place if axis.endswith("_args") else f"{axis}={place}"
            for axis, place in self.places.items()
        )

    def row(self) -> dict[str, Any]:
        """What the tables need of a reported run."""
        line = ", ".join(place for axis, place in self.places.items() if axis != "depth")
        return self.cell() | {"data": data_name(self.spec), "depth": self.spec.depth, "line": line}

    def cell(self) -> dict[str, Any]:
        """A run's id, its cell and its seed."""
        return {
            "run_id": self.id,
            "task": self.spec.task,
            "level": self.level,
            "group": self.group,
            "seed": self.spec.seed,
        }


def label(axis: str, entry: Mapping[str, Any]) -> str:
    """How one entry of an axis is called in tables: its value, then whatever else it sets."""
    value, rest = entry[axis], {k: v for k, v in entry.items() if k != axis}
    text = str(value)
    if axis == "activation" and not isinstance(value, str):
        text = ",".join(f"{site}:{name}" for site, name in value)
    elif isinstance(value, Mapping):
        text = ",".join(f"{name}={number:g}" for name, number in value.items())
    return f"{text} ({', '.join(f'{k}={v}' for k, v in rest.items())})" if rest else text


def expand(
    base: Mapping[str, Any],
    axes: Mapping[str, Sequence[Mapping[str, Any]]],
    seeds: Sequence[int],
    compare: str,
) -> list[PlannedRun]:
    """All runs of one task: the product of its axes, times the seeds.

    base: run fields shared by all; axes: axis name -> entries, each a mapping that holds at least the axis's own field.
    """
    runs = []
    for combination in itertools.product(*axes.values()):
        named = dict(zip(axes, combination, strict=True))
        crossed = [axis for axis in axes if axis != compare and len(axes[axis]) > 1]
        places = {axis: label(axis, named[axis]) for axis in crossed}
        level = label(compare, named[compare]) if compare in named else str(base.get(compare))
        for seed in seeds:
            values = layered(base, *combination, {"seed": seed})
            runs.append(PlannedRun(RunSpec(**_uniform(values)), level, places))
    return runs


def _uniform(values: dict[str, Any]) -> dict[str, Any]:
    """The same fields with equal hidden widths spelt as depth x width, so that one network has one id."""
    hidden = values.get("hidden")
    if hidden and len(set(hidden)) == 1:
        return {**values, "hidden": None, "depth": len(hidden), "width": hidden[0]}
    return values
