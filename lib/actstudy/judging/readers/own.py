"""Our own results: exactly the values that a study of the workflow compared."""

from pathlib import Path

import pandas as pd

from actstudy.analysis import collect, stored
from actstudy.analysis.questions import seed_values
from actstudy.contract import errors, store
from actstudy.contract.errors import StudyError
from actstudy.contract.plan import Plan, TaskPlan
from actstudy.judging.reading.options import Options
from actstudy.judging.scores import EXACT, Scores

KIND = "actstudy"
TABLES = "tables"
COLUMNS = ["task", "group", "level", "seed", "value", "diverged", "chance"]
NO_PREDICTIONS = pd.DataFrame(columns=["task", "run_id", "tokens", "weights"])


def recognises(path: Path) -> bool:
    """Whether a path is a folder of results or tables of a study, or its table of runs."""
    return folder_of(path) is not None


def folder_of(path: Path) -> Path | None:
    """The folder of a study's tables that a path means, None if there is none."""
    if path.is_file() and path.stem == "runs" and path.suffix in (".parquet", ".csv"):
        places = [path.parent]
    else:
        places = [path, path / TABLES] if path.is_dir() else []
    for place in places:
        is_planned = (place / "plan.json").is_file() or stored.file_of(place, "contrasts")
        if is_planned and stored.file_of(place):
            return place
    return None


def plan_of(path: Path) -> Plan:
    """The plan of a study's tables: baseline, margin, unit and looks per task."""
    place = folder_of(path)
    if place is None:
        raise StudyError(f"{path}: no table of runs with a plan; allowed: results of a study")
    try:
        plan = stored.plan_of(place)[0]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        fault = f"not readable as a plan: {type(error).__name__} {error!s:.60}"
        raise StudyError(f"{place / 'plan.json'}: {fault}; to fix: make the tables again") from None
    if not plan.tasks:
        raise StudyError(f"{place / 'plan.json'}: got no task; allowed: the plan of a study")
    return plan


def read(path: Path, options: Options) -> Scores:
    """The values of a study, with what diverged and chance; of one task if options name one.

    options: task alone is heard. StudyError if several tasks compare different metrics and none is
    named, or if the tables are not as they were written.
    """
    import pyarrow as pa

    plan = plan_of(path)
    place = folder_of(path) or path
    tasks = tasks_of(plan, options, path)
    try:
        return scores_of(plan, tasks, place)
    except StudyError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, pa.ArrowException) as error:
        fault = f"{type(error).__name__} {' '.join(str(error).split()):.80}"
        fix = "to fix: make the tables again"
        raise StudyError(f"{place}: damaged: {fault}; allowed: tables of a study; {fix}") from None


def scores_of(plan: Plan, tasks: list[str], place: Path) -> Scores:
    """The values of some tasks of a folder of tables."""
    runs = runs_of(place)
    repeated = runs.duplicated([*COLUMNS[:4]])
    if repeated.any():
        row = runs[repeated].iloc[0]
        cell = " ".join(str(row[name]) for name in ("task", "group", "level"))
        got = f"got {cell}, seed {row['seed']} twice"
        raise StudyError(f"{place}: {got}; allowed: each run once (pseudo-replication)")
    frames = {"runs": runs, "predictions": predictions(plan, place)}
    parts = []
    for task in tasks:
        parts.append(compared(frames, plan, task))
    settings = plan.tasks[tasks[0]]
    rows = pd.concat(parts)
    if rows.empty:
        raise StudyError(f"{place}: no run has ended; allowed: results of a study that has run")
    return Scores(
        rows[COLUMNS],
        settings.metric,
        settings.compared_unit,
        settings.higher_is_better,
        tuple(sentences(plan, tasks, rows)),
    )


def runs_of(place: Path) -> pd.DataFrame:
    """The table of runs; of a CSV every number as it was written."""
    file = stored.file_of(place)
    runs = stored.read_runs(place).copy()  # in one piece
    if EXACT and file is not None and file.suffix == ".csv":
        exact = pd.read_csv(file, **EXACT)
        exact = exact.rename(columns=lambda name: name.split(" [")[0])
        runs = runs.assign(**{name: exact[name] for name in exact if name != "group"})
    return runs


def tasks_of(plan: Plan, options: Options, path: Path) -> list[str]:
    """The tasks that are read: that of the options, or all if they compare the same metric."""
    names = list(plan.tasks)
    if options.task is not None:
        if options.task not in names:
            got = f"got {options.task!r:.60}"
            raise StudyError(f"{path}: task: {got}; {errors.choices(options.task, names)}")
        return [options.task]
    kinds = {(plan.tasks[name].metric, plan.tasks[name].compared_unit) for name in names}
    if len(kinds) > 1:
        several = ", ".join(names)
        raise StudyError(f"{path}: task: got several with different metrics; allowed: {several}")
    return names


def predictions(plan: Plan, place: Path) -> pd.DataFrame:
    """What chance level of language models follows from, if the runs themselves are there."""
    needs = {task for task, settings in plan.tasks.items() if settings.predicts == "tokens"}
    planned = [run for run in plan.runs if run["task"] in needs]
    parents = [place.parent, place.parent.parent]
    roots = [parent / store.RUNS.name for parent in parents if (parent / store.RUNS.name).is_dir()]
    if not planned or not roots:
        return NO_PREDICTIONS
    return collect.collect(planned, roots[0], ["predictions"])["predictions"]


def compared(frames: seed_values.Frames, plan: Plan, task: str) -> pd.DataFrame:
    """The rows of a task that the workflow compares, as `seed_values.task_values` takes them."""
    runs = seed_values.compared(frames, plan, task)
    if runs.empty:
        return runs.reindex(columns=COLUMNS)
    runs = runs[seed_values.paired(runs, plan, plan.tasks[task].baseline)]
    return runs.rename(columns={"is_diverged": "diverged"})[COLUMNS]


def sentences(plan: Plan, tasks: list[str], rows: pd.DataFrame) -> list[str]:
    """What is said of the values."""
    assumed = [f"Results of the study {plan.study}, as its workflow compares them, paired by seed."]
    for task in tasks:
        settings: TaskPlan = plan.tasks[task]
        if settings.log_unit:
            assumed.append(f"Of {task} the natural logarithm of {settings.metric} is compared.")
        if settings.at_any_n:
            assumed.append(f"The study judges {task} at any number of seeds, as --anytime does.")
        own = rows[rows["task"] == task]
        if len(own) and own["chance"].isna().all():
            assumed.append(
                f"Chance level of {task} is not known: no run of it counts as collapsed."
            )
    return assumed
