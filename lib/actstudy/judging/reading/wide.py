"""Wide tables: a column per level and a row per seed, or the other way round."""

import re

import pandas as pd

from actstudy.contract.errors import choices
from actstudy.judging.reading import cells
from actstudy.judging.reading.missing import EMPTY
from actstudy.judging.reading.options import Options
from actstudy.judging.reading.roles import NAMES, column_of, said_or_assumed
from actstudy.judging.scores import Scores
from actstudy.own_data.frames import Frame

OF_SEED = re.compile(r"(?:seed|run|rep|trial|fold|s)?[ _=.-]*(\d+)", re.IGNORECASE)
METRIC = re.compile(r"loss|acc|error|f1|auc|rmse|mse|mae|time|seconds|perplexity|bleu|score|value")


def seed_columns(frame: Frame, used: list[str]) -> list[str]:
    """The columns that are named after a seed: `0`, `seed1`, `run_2`."""
    names = [name for name in frame.columns if name not in used]
    return [name for name in names if OF_SEED.fullmatch(name.strip())]


def is_by_seed(frame: Frame, level: str, options: Options) -> bool:
    """Whether a table with a column of levels has a column per seed."""
    if options.value is not None or options.seed is not None:
        return False
    columns = seed_columns(frame, [level])
    return len(columns) > 1 and len(columns) == len(cells.numeric(frame, columns))


def scores(frame: Frame, level: str | None, options: Options) -> Scores:
    """Scores of a wide table; level: the column of levels, if seeds are columns."""
    if level is None:
        texts = [name for name in frame.columns if not cells.numeric(frame, [name])]
        if len(texts) == 1 and is_by_seed(frame, texts[0], options):
            level = texts[0]
    return by_level(frame, options) if level is None else by_seed(frame, level, options)


def by_level(frame: Frame, options: Options) -> Scores:
    """A column per level; rows are seeds if a column says which, else unpaired runs."""
    names = list(frame.columns)
    where = frame.source.name
    roles: dict[str, str] = {}
    for role in ("seed", "task", "group"):
        column = column_of(role, options, names, where, [*roles.values()])
        if column:
            roles[role] = column
    free = [name for name in names if name not in roles.values()]
    levels = cells.numeric(frame, free)
    check_levels(frame, levels, free, options)
    keys = pd.DataFrame({role: cells.texts(frame, name, role) for role, name in roles.items()})
    if "seed" not in roles:
        first = frame.first_row
        keys["seed"] = [f"{frame.source.name}:{row + first}" for row in range(frame.n)]
    parts = []
    for level in levels:
        values, empty = cells.numbers(frame, level)
        rows = keys.assign(level=level, value=values, **{EMPTY: empty})
        rows.index = pd.Index([f"{row + frame.first_row}, {level}" for row in range(frame.n)])
        parts.append(rows)
    assumed = [said_or_assumed(role, name, options) for role, name in roles.items()]
    assumed.append(f"There is no column of levels: each of the columns {', '.join(levels)} is one.")
    if "seed" not in roles:
        assumed.append(
            "There is no column of seeds: unpaired, the cells of a row do not belong together."
        )
    paired = None if "seed" in roles else False
    assumptions = tuple(filter(None, assumed))
    whole = pd.concat(parts)
    return Scores(whole, "value", "", options.higher_is_better, assumptions, None, paired)


def check_levels(frame: Frame, levels: list[str], free: list[str], options: Options) -> None:
    """StudyError unless columns of numbers can be levels: two or more, not all named as metrics."""
    metrics = [name for name in levels if METRIC.search(name.lower())]
    in_long = options.value is not None or options.diverged is not None
    named = [name for name in free if name.strip().lower() in NAMES["value"]]
    if in_long or named or len(levels) < 2 or len(metrics) == len(levels):
        hint = choices("level", free)
        raise frame.source.fault(f"level: got no column of levels; {hint}")


def by_seed(frame: Frame, level: str, options: Options) -> Scores:
    """A row per level and a column per seed."""
    task = column_of("task", options, list(frame.columns), frame.source.name, [level])
    columns = seed_columns(frame, [name for name in (level, task) if name])
    keys = pd.DataFrame({"level": cells.texts(frame, level, "level")})
    if task:
        keys["task"] = cells.texts(frame, task, "task")
    parts = []
    for column in columns:
        matched = OF_SEED.fullmatch(column.strip())
        values, empty = cells.numbers(frame, column)
        seed = int(matched[1]) if matched else 0
        rows = keys.assign(seed=seed, value=values, **{EMPTY: empty})
        rows.index = pd.Index([f"{row + frame.first_row}, {column}" for row in range(frame.n)])
        parts.append(rows)
    assumed = [
        said_or_assumed("level", level, options),
        f"Each of the columns {columns[0]} to {columns[-1]} is taken as a seed, by its name.",
    ]
    assumptions = tuple(filter(None, assumed))
    whole = pd.concat(parts)
    return Scores(whole, "value", "", options.higher_is_better, assumptions)
