"""The folders that hold tables of studies, and what is read of them."""

from pathlib import Path

import pandas as pd

from actstudy.analysis.questions.seed_values import PAIRED_BY
from actstudy.contract import checkout, invocation, store
from actstudy.contract.errors import StudyError
from actstudy.contract.plan import Plan
from actstudy.contract.schema import CELL
from actstudy.study.planning import load

IN_DOCUMENTS = "docs/example"  # of a clone: tables of studies that documents quote
NEEDED = ["run_id", *CELL, "activation", "seed", "data", "status", *PAIRED_BY, "device"]
COSTS = ["timing_clean", "train_seconds", "peak_memory_bytes"]


def folders() -> list[Path]:
    """The folders of tables of this project, then those that a clone has in its documents."""
    places = [store.RESULTS / "tables", *sorted(store.RESULTS.glob("*/tables"))]
    return [*filter(file_of, places), *kept_folders()]


def kept_folders() -> list[Path]:
    """The folders of tables that a clone has in its documents; a wheel has none."""
    root = checkout.ROOT / IN_DOCUMENTS
    places = [root / "tables", *sorted(root.glob("*/tables")), *sorted(root.glob("*"))]
    return list(dict.fromkeys(filter(file_of, places)))


def folder_of(file: str) -> Path:
    """The folder of a study's tables, else of those that documents have of it.

    StudyError if neither is there, or if what documents have does not say what a run was.
    """
    path = checkout.source_of(Path(file))
    if path.is_dir():
        study = _study_file(path / "tables")
        hint = f", such as {checkout.study_path(study)}" if study else ""
        raise StudyError(f"{file}: got a folder; allowed: the path of a study file{hint}")
    own = path.parent / "tables"
    place = Path(load(path).folder) / "tables"
    for folder in (place, own):
        if file_of(folder):
            return folder
    reason = ""
    for folder in copies_of(path):
        if not lacking(folder):
            return folder
        where = checkout.study_path(folder)
        reason = f", and {where}, which documents quote, does not say what each run was"
    raise StudyError(
        f"{file}: no table of its runs in {place}{reason}; allowed: a study that has run; "
        f"to fix: {invocation.program()} run {file}"
    )


def copies_of(study: Path) -> list[Path]:
    """The folders of tables that documents have of a study file of the project."""
    if study.resolve().parent != (checkout.ROOT / "config").resolve():
        return []
    return [folder for folder in kept_folders() if _stem(folder) == study.stem]


def lacking(place: Path) -> list[str]:
    """The columns of NEEDED that a folder's table of runs has not."""
    path = file_of(place)
    runs = _read(path) if path else pd.DataFrame()
    return [name for name in NEEDED if name not in runs]


def read_runs(place: Path) -> pd.DataFrame:
    """The table `runs` of a folder, without units in the names of its columns."""
    path = file_of(place)
    if path is None:
        raise StudyError(f"{place}: no table of runs; allowed: a study's folder tables")
    runs = _read(path)
    if absent := [name for name in NEEDED if name not in runs]:
        where = checkout.study_path(path)
        raise StudyError(f"{where}: no column {absent[0]}; allowed: a table of a study's runs")
    return prepared(runs)


def prepared(runs: pd.DataFrame) -> pd.DataFrame:
    """A table `runs` with COSTS, missing if it has none, and an empty text for no group."""
    without = pd.DataFrame(None, runs.index, [name for name in COSTS if name not in runs])
    group = runs["group"].astype(object).fillna("")
    return pd.concat([runs.assign(group=group), without], axis=1)


def read_references(place: Path) -> pd.DataFrame:
    """The table `references` of a folder, empty if there is none."""
    path = file_of(place, "references")
    return _read(path) if path else pd.DataFrame(columns=["data", "name", "metric", "test"])


def plan_of(place: Path) -> tuple[Plan, str]:
    """The plan of a folder of tables and its study file, if that is there.

    Without plan.json it is that of the study file next to the folder.
    """
    note = place / "plan.json"
    if note.is_file():
        plan = Plan.from_json(note.read_text(encoding="utf-8"))
        return plan, plan.file if checkout.source_of(Path(plan.file)).is_file() else ""
    file = _study_file(place)
    if file is None:
        raise StudyError(f"{place}: no plan.json; allowed: with it, or next to one study file")
    return load(file).plan(), str(checkout.study_path(file))


def file_of(place: Path, table: str = "runs") -> Path | None:
    """The file of a table in a folder, None if there is none."""
    files = [place / f"{table}.parquet", place / f"{table}.csv"]
    return next((file for file in files if file.is_file()), None)


def _read(path: Path) -> pd.DataFrame:
    """A table; of a CSV without the units in the names of its columns."""
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path).rename(columns=lambda name: name.split(" [")[0])


def _study_file(place: Path) -> Path | None:
    """The one study file next to a folder of tables, else the project's of the folder's name."""
    files = [*place.parent.glob("*.yaml")]
    if not files:
        files = [*filter(Path.is_file, [checkout.ROOT / f"config/{place.parent.name}.yaml"])]
    return files[0] if len(files) == 1 else None


def _stem(place: Path) -> str | None:
    """The name of the study file of a folder of tables, if it is known."""
    note = place / "plan.json"
    if note.is_file():
        return Path(Plan.from_json(note.read_text(encoding="utf-8")).file).stem
    file = _study_file(place)
    return file.stem if file else None
