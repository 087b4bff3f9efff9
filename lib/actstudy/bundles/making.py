"""A study's bundle, made: page, tables, config, environment, README and, if wanted, its runs."""

import dataclasses
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from actstudy.analysis.retry import study_command
from actstudy.bundles import archive, contents, numbers, readme, seals
from actstudy.bundles.archive import Content
from actstudy.bundles.checked import FORMAT
from actstudy.contract import invocation, store
from actstudy.contract.errors import StudyError
from actstudy.contract.schema import UNREAD
from actstudy.study.planning import Study

NAME = "bundle.zip"  # in the study's folder of results


@dataclass(frozen=True)
class Packed:
    """A bundle on disk, and what its maker should know of it."""

    path: Path
    n_files: int
    n_runs: int
    digest: str  # SHA-256 of its manifest
    notes: list[str]


def make(
    study: Study, output: Path | None = None, runs: bool = False, checkpoints: bool = False
) -> Packed:
    """Writes a study's bundle; StudyError if there is nothing to pack.

    output: the zip (default: NAME among the study's results); runs: with the runs that have ended;
    checkpoints: with the best of each.
    """
    path = output or Path(study.folder) / NAME
    if path.is_dir():
        raise StudyError(f"--output: got the folder {path}; allowed: a file, as {path / NAME}")
    if path.exists() and not zipfile.is_zipfile(path):  # such as the study itself
        raise StudyError(f"--output: got {path}, a file that is no zip; allowed: a new name")
    done = contents.finished(study)
    page = contents.page_files(study)
    notes = [f"{folder} is damaged and left out" for folder in done.damaged]
    packed_runs = dict(contents.run_files(done.folders.values(), checkpoints)) if runs else {}
    if runs and page and (fault := out_of_date(study, page, done.folders)):
        notes.append(f"page and tables are left out, as they are not of these runs ({fault})")
        page = {}
    check_is_something(study, page, packed_runs, runs)
    rows = rows_of(study, page, done.folders)
    files: dict[str, Content] = {**page, **contents.shared_files(study), **packed_runs}
    if packed_runs:
        trained_on = rows["data_sha256"]
        files |= contents.pins(study, [None if pd.isna(sha) else sha for sha in trained_on])
    environments = seals.environments(done.folders)
    files["environment.json"] = store.json_text(environments).encode()
    about = describe(study, page, rows, done.planned, len(done.folders) if packed_runs else 0)
    n_files = len(files) + len((archive.README, archive.MANIFEST, archive.SUMS))
    command = study_command(dataclasses.replace(study.plan(), file=about["file"]))
    files[archive.README] = readme.text(about, rows, command, n_files)
    sums = archive.write(path, f"actstudy-{study.name}", files, about)
    digest = sums[archive.MANIFEST]["sha256"]
    return Packed(path, n_files, about["runs"]["in_bundle"], digest, notes)


def check_is_something(study: Study, page: Mapping[str, Any], runs: Any, with_runs: bool) -> None:
    """StudyError if neither a page nor runs can be packed."""
    if page or runs:
        return
    fix = f"to fix: {invocation.program()} run {study.file}"
    if with_runs:
        raise StudyError(f"{study.file}: no run of it has ended; {fix}")
    raise StudyError(
        f"{study.file}: no tables in {study.folder}; {fix}, or --runs, which packs the runs that "
        "have ended"
    )


def out_of_date(study: Study, page: contents.Files, folders: Mapping[str, Path]) -> str:
    """Why a page's tables are not of the runs as they are now, or an empty string."""
    place = Path(study.folder) / "tables"
    table = pd.read_parquet(place / "runs.parquet")
    own = {run: {"runs": pd.DataFrame([seals.row_of(path)])} for run, path in folders.items()}
    return next(numbers.faults_of_runs(table, own), "")


def rows_of(study: Study, page: contents.Files, folders: Mapping[str, Path]) -> pd.DataFrame:
    """The rows of the runs that have ended; of a page whose runs are gone, those of its table."""
    if folders or not page:
        return pd.DataFrame([seals.row_of(folder) for folder in folders.values()])
    table = pd.read_parquet(Path(study.folder) / "tables/runs.parquet").drop_duplicates("run_id")
    return table[~table["status"].isin(UNREAD)]


def describe(
    study: Study, page: contents.Files, rows: pd.DataFrame, planned: int, in_bundle: int
) -> dict[str, Any]:
    """The manifest without its files: what the bundle is of."""
    names = [f"{study.folder}/{name}" for name in contents.PAGES if name.endswith((".md", ".html"))]
    return {
        "format": FORMAT,
        "study": study.name,
        "file": contents.name_of(Path(study.file)),
        "overrides": study.overrides,
        "results": study.folder,
        "pages": [name for name in names if name in page],
        "runs": {"planned": planned, "ended": readme.ended(rows), "in_bundle": in_bundle},
        "commits": readme.provenance(rows)["commits"],
    }
