"""The cells of a study's Keras runs: what is compared with torch before any of them trains."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from actstudy.contract import frameworks, parity
from actstudy.contract.spec import RunSpec


@dataclass(frozen=True)
class Parities:
    """Cells by name, each as the run that stands for it, and the priority of its comparison."""

    cells: dict[str, RunSpec]
    priorities: dict[str, int]

    @property
    def files(self) -> list[str]:
        """The file of each cell."""
        return [str(parity.path(cell)) for cell in self.cells.values()]


def parities_of(specs: Mapping[str, RunSpec], priorities: Mapping[str, int]) -> Parities:
    """The cells of a study; specs, priorities: by run id, the first run's priority the highest.

    The comparison of a cell comes before its first run.
    """
    cells = dict[str, RunSpec]()
    highest = dict[str, int]()
    for run, priority in priorities.items():
        spec = specs[run]
        if spec.framework != frameworks.TORCH:
            name = parity.name(spec)
            cells.setdefault(name, parity.cell(spec))
            highest[name] = max(highest.get(name, 0), priority + 1)
    return Parities(cells, highest)


def files_of(specs: Iterable[RunSpec]) -> list[str]:
    """The files that runs wait for besides their data: of each Keras run that of its cell."""
    keras = [spec for spec in specs if spec.framework != frameworks.TORCH]
    return [str(parity.path(spec)) for spec in keras]
