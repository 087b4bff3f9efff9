"""What of a ledger is measured here, and into which files."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from actstudy.contract import measurements, store
from actstudy.contract.errors import StudyError
from actstudy.study import ledger

FOLDER = store.RESULTS / "measured"  # of all studies, as runs are
NO_GPU = "needs a GPU"


def of_study(file: Path, name: str) -> dict[str, Any]:
    """The ledger of a study as its plan holds it: its folder, claims, and file per group.

    file: the study's; name: of the ledger's folder beside it.
    """
    folder = file.parent / name
    try:
        claims = ledger.read_ledger(folder)
    except StudyError as fault:
        raise StudyError(f"{file}: ledger: {fault}") from None
    files = {}
    for group, requests in ledger.requests(claims).items():
        if group != measurements.RUNS:
            files[group] = file_name(group, requests)
    return {"folder": str(folder), "claims": claims, "files": files}


def file_name(group: str, requests: Iterable[tuple[str, str]]) -> str:
    """The file of what is measured of a group: another one for other claims or other code."""
    return f"{group}-{measurements.digest(group, requests)}.parquet"


def needs_gpu(group: str) -> bool:
    """Whether a group is measured on a GPU alone."""
    return bool(measurements.setting(group, "DEVICE") == "cuda")


def uses_gpu(group: str) -> bool:
    """Whether a group is measured on a GPU, if there is one."""
    return needs_gpu(group) or "cuda" in (measurements.setting(group, "DEVICES") or ())


def is_alone(group: str) -> bool:
    """Whether nothing may run beside a group's job, as it measures time."""
    return bool(measurements.setting(group, "ALONE"))


def to_measure(stated: Mapping[str, Any] | None, has_gpu: bool, folder: Path = FOLDER) -> list[str]:
    """The groups of a study's ledger that the next start measures; folder: of measured groups."""
    by_group = files(stated, has_gpu)
    return [group for group, file in by_group.items() if not (folder / Path(file).name).is_file()]


def files(stated: Mapping[str, Any] | None, has_gpu: bool) -> dict[str, str]:
    """Group -> the file that the tables of a study wait for, of groups that are measured here.

    A file of a GPU group that is there already counts too, whichever machine wrote it.
    """
    by_group = {}
    for group, name in (stated or {"files": {}})["files"].items():
        file = FOLDER / name
        if has_gpu or not needs_gpu(group) or file.is_file():
            by_group[group] = str(file)
    return by_group
