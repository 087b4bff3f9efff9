"""How many runs of a cell a task asks for: its seeds, looks and learning rates to choose from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actstudy.contract.errors import StudyError
from actstudy.contract.plan import ANYTIME
from actstudy.study.config import Block, StudyFile, TaskBlock
from actstudy.study.looks import LOOKS, TUNING_SEEDS

MAX_RUNS = 40_000  # of a study: its plan takes about a minute of a core and 1 GB (docs/scale.md)


@dataclass(frozen=True)
class Seeding:
    """What a task says of seeds; its own block is stronger than the study's."""

    looks: bool | str  # whether seeds are added look by look, or ANYTIME
    rates: list[float] | None  # that val chooses from
    stated: int | list[int] | None  # the key `seeds`

    @classmethod
    def of(cls, content: StudyFile, block: Block) -> "Seeding":
        looks = block.looks if "looks" in block.model_fields_set else content.looks
        rates = block.tune_lr if "tune_lr" in block.model_fields_set else content.tune_lr
        stated = block.seeds
        if block.looks is not True:
            stated = block.seeds or content.seeds
        return cls(looks or False, rates, stated)

    @property
    def n_seeds(self) -> int:
        """The number of seeds that may be asked for."""
        if self.looks is True:
            return LOOKS[-1]
        if isinstance(self.stated, list):
            return len(self.stated)
        return self.stated or 1

    def seeds(self) -> list[int]:
        """All seeds that may be asked for."""
        if isinstance(self.stated, list) and not self.looks:
            return self.stated
        return list(range(self.n_seeds))

    def check(self, compare: str, axes: Mapping[str, list[dict[str, Any]]], where: str) -> None:
        """StudyError if seeds, looks, rates and axes do not go together."""
        if self.looks == ANYTIME and isinstance(self.stated, list):
            fault = f"got {self.stated} beside looks: {ANYTIME}, which takes 0, 1, ... in order"
            raise StudyError(f"{where}: seeds: {fault:.200}; allowed: a number of seeds")
        if self.looks is True and self.stated:
            takes = f"{', '.join(map(str, LOOKS[:-1]))} and {LOOKS[-1]}"
            fault = f"set beside looks, which take {takes} seeds; allowed: one of the two"
            raise StudyError(f"{where}: seeds: {fault}")
        if not self.rates:
            return
        if compare == "lr":
            fault = "got 'lr' beside tune_lr, which chooses it; allowed: another axis"
            raise StudyError(f"{where}: compare: {fault}")
        for axis, entries in axes.items():
            if any("lr" in entry for entry in entries):
                fault = f"chooses lr, which axis {axis} sets too; allowed: one of them"
                raise StudyError(f"{where}: tune_lr: {fault}")


def check_size(
    content: StudyFile, crossed: Mapping[str, list[Any]], fixed: Mapping[str, Any], file: str
) -> None:
    """StudyError if a study asks for more than MAX_RUNS runs, counted before one is made.

    crossed, fixed: run fields that --config sets to several values, and to one.
    """
    total = 0
    for block in content.tasks.values():
        axes = {**content.axes, **(block.axes if block else {}), **crossed}
        seeding = Seeding.of(content, block or TaskBlock())
        tried = len(seeding.rates or ())
        per_cell = seeding.n_seeds + tried * (seeding.n_seeds + len(TUNING_SEEDS))
        cells = math.prod(len(values) for axis, values in axes.items() if axis not in fixed)
        total += per_cell * cells
    if total > MAX_RUNS:
        got = f"got {total:,} runs, seeds among them; allowed: at most {MAX_RUNS:,}"
        raise StudyError(f"{file}: axes: {got}")
