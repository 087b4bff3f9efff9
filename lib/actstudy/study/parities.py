"""The cells of a study's Keras runs: what is compared with torch before any of them trains."""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from actstudy.contract import frameworks, parity, parity_stamp, store
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


def to_compare(specs: Iterable[RunSpec], root: Path = store.RUNS) -> dict[Path, RunSpec]:
    """File -> run, of the cells that have a run to train and no comparison of present code.

    One of other versions or code counts as none: the first run of the cell makes it again. Of
    published runs nothing is asked: their page can be made where Keras is not. root: of the runs.
    """
    cells = dict[Path, RunSpec]()
    for spec in specs:
        if spec.framework != frameworks.TORCH:
            published = store.run_folder(spec, root) / store.MANIFEST
            file = parity.path(spec, root.parent / parity.FOLDER.name)
            if not published.is_file() and not parity_stamp.is_present(file, spec.framework):
                cells.setdefault(file, spec)
    return cells


def seconds_each(specs: Iterable[RunSpec], root: Path = store.RUNS) -> float:
    """The mean seconds of the comparisons that have been made; 0 if none has. root: of the runs."""
    folder = root.parent / parity.FOLDER.name
    seconds = []
    for file in {parity.path(spec, folder) for spec in specs}:
        note = store.read_note(file, {})
        if note.get("seconds") and not note.get("error"):
            seconds.append(float(note["seconds"]))
    return statistics.fmean(seconds) if seconds else 0.0
