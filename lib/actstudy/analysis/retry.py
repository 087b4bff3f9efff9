"""Clears runs that have ended, so that the next start trains them again."""

import contextlib
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actstudy.analysis.forecast import FAILED_STATES, folders_of
from actstudy.analysis.status import state, states_of
from actstudy.contract import checkout, invocation, locks, own_import, parity, sealed, spec, store
from actstudy.contract.errors import StudyError, nearest
from actstudy.contract.plan import Plan
from actstudy.contract.store import RUNS
from actstudy.study.planning import Study


def clear(study: Study, what: str, root: Path = RUNS) -> list[str]:
    """Remove the results and checkpoints of runs; returns their ids.

    what: a run's id or folder, or `failed` for all that failed. StudyError for anything else, and
    for a run that a process is training.
    """
    folders = runs_to_clear(study, what, root)
    for folder in folders.values():
        if folder.is_dir():
            delete_results(folder)
    return list(folders)


def clear_parities(study: Study, what: str, root: Path = RUNS) -> list[Path]:
    """Mark the comparisons with torch that runs failed by as outdated, before these are cleared.

    Returns the files: the next start of a run makes them again. They stay there, as a workflow
    makes all runs again whose input is missing, published ones too. what: as `clear` has it.
    """
    files = dict[Path, None]()
    for folder in runs_to_clear(study, what, root).values():
        with contextlib.suppress(OSError, ValueError, store.Damaged):  # without a reason
            if (store.summary_row(folder)["reason"] or "").startswith(parity.FAILED):
                run = spec.from_json((folder / "spec.json").read_text(encoding="utf-8"))
                files[parity.path(run, root.parent / parity.FOLDER.name)] = None
    marked = [file for file in files if file.is_file()]
    for file in marked:
        store.write_json(file, {**parity.read(file), "stamp": None})
    return marked


def runs_to_clear(study: Study, what: str, root: Path) -> dict[str, Path]:
    """Run -> folder of what `clear` names; StudyError if it names nothing."""
    folders = folders_of(study.tuning + study.runs(), root)
    if what == "failed":
        states, _ = states_of(folders)
        return {run: path for run, path in folders.items() if states[run] in FAILED_STATES}
    if what in folders:
        return {what: folders[what]}
    if any((Path(what) / name).is_file() for name in ("spec.json", sealed.NAME)):
        return {what: Path(what)}
    hint = nearest(what, ["failed", *folders])
    if Path(what).suffix in (".yaml", ".yml"):
        hint = f"did you mean `failed --config {what}`? "
    raise StudyError(
        f"retry: got {what!r}; {hint}"
        f"allowed: failed, a run's folder, or a run of study {study.name}"
    )


def delete_results(folder: Path) -> None:
    """Remove a run's tables, and all else unless a good seal lets the tables be published again."""
    try:
        with locks.locked(folder, wait=False):
            damaged = state(folder, locked=True) == "damaged"
            for name in store.FILES:
                (folder / name).unlink(missing_ok=True)
            if damaged and store.verifies(folder / "checkpoints" / "final"):
                return
            sealed.clear(folder)
            shutil.rmtree(folder / "checkpoints", ignore_errors=True)
            for name in ("spec.json", store.ARRIVED):
                (folder / name).unlink(missing_ok=True)
    except BlockingIOError as error:
        raise StudyError(f"retry: {error}; allowed: a run that no process is training") from None


def study_command(plan: Plan, target: str = "") -> str:
    """The shell command that runs a study, or what is missing of it; target: a file of it alone.

    The target comes first: `--configfile` takes all words after it for files. A try has its pairs
    of `--config` at the end.
    """
    is_default = plan.study == "default"
    words = ["snakemake"]
    if not checkout.is_here():
        words = [f"{invocation.program()} run"]
        if not is_default:
            words.append(shlex.quote(plan.file))
    if target:
        words.append(shlex.quote(target))
    if checkout.is_here() and not is_default:
        words.append(f"--configfile {shlex.quote(plan.file)}")
    if plan.overrides:
        words.append(f"--config {shlex.join(plan.overrides)}")
    return " ".join(words)


def rerun_command(plan: Plan, row: Mapping[str, Any]) -> str:
    """The shell command that runs a planned run again; row: its task, run_id, status and reason.

    Of a run that own code broke it is that of the study: with edited code it is another run.
    """
    study = study_command(plan)
    if row["status"] == "missing" or own_import.place_in(row.get("reason") or ""):
        return study
    return f"{invocation.program()} retry {RUNS}/{row['task']}/{row['run_id']} && {study}"
