"""Settings that differ exactly as the levels do: any of them may be what makes the difference."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from actstudy.analysis.markdown import listed
from actstudy.contract.errors import visible

PLACE = ["task", "group"]  # within these levels are compared
MAX_NAMED = 3  # settings, and levels of each
LOOKED_AT = 1_000  # rows, before all are


def coinciding(cells: pd.DataFrame, settings: Mapping[str, pd.Series]) -> dict[str, str]:
    """The settings that differ exactly as the level does -> what they are in the first levels.

    cells: a row per run or row of a table, columns task, group and level, as text; settings: name
    -> its value in each of these rows. None if all levels have one row, which says nothing of it.
    """
    number = cells.groupby([*PLACE, "level"], sort=False).ngroup().to_numpy()
    first_rows = np.unique(number, return_index=True)[1]
    if len(first_rows) == len(cells):
        return {}
    firsts = cells.iloc[first_rows]
    words = {}
    for name, column in settings.items():
        head = slice(LOOKED_AT)  # which most columns are no settings by
        if is_same(column.iloc[head], number[head]) and is_same(column, number):
            values = [spelled(value) for value in column.iloc[first_rows]]
            own = firsts.assign(value=values)
            if tells_levels_apart(own):
                words[name] = by_level(own)
    return words


def is_same(column: pd.Series, number: np.ndarray) -> bool:
    """Whether all rows of a level have one value; number: the level of each row."""
    codes = pd.factorize(column)[0]
    _, first_rows, own = np.unique(number, return_index=True, return_inverse=True)
    return bool((codes == codes[first_rows][own]).all())


def sentences(words: Mapping[str, str]) -> list[str]:
    """A sentence on settings that coincide with the level, as `coinciding` has them, if any do."""
    if not words:
        return []
    named = [visible(f"{name} ({levels})") for name, levels in words.items()]
    more = f" and {len(named) - MAX_NAMED} more" if len(named) > MAX_NAMED else ""
    text = ", ".join(named[:MAX_NAMED]) + more
    return [f"What differs exactly as the levels do may be what makes the difference: {text}."]


def clause(names: Sequence[str]) -> str:
    """` (lr differs exactly with the level)`, for a sentence that compares levels; else empty."""
    if not names:
        return ""
    texts = [visible(name) for name in names[:MAX_NAMED]]
    if len(names) > MAX_NAMED:
        texts.append(f"{len(names) - MAX_NAMED} more")
    verb = "differs" if len(names) == 1 else "differ"
    return f" ({listed(texts)} {verb} exactly with the level)"


def spelled(value: object) -> str:
    """A setting as text, empty if it is missing."""
    return "" if value is None or value != value else str(value)


def tells_levels_apart(cells: pd.DataFrame) -> bool:
    """Whether the value of a setting differs between the levels of a place; cells: a row of each.

    Not if the name of each level says its value, as `adamw (lr=0.1)` does.
    """
    if (cells.groupby(PLACE, sort=False)["value"].nunique() == 1).all():
        return False
    pairs = zip(cells["value"], cells["level"], strict=True)
    return not all(value in level for value, level in pairs)


def by_level(cells: pd.DataFrame) -> str:
    """What a setting is in the first levels: `adamw 0.1, sgd 0.01 ...`."""
    levels = cells.drop_duplicates("level")
    pairs = zip(levels["level"], levels["value"], strict=True)
    words = [f"{level} {value or 'nothing'}" for level, value in pairs]
    return ", ".join(words[:MAX_NAMED]) + (" ..." if len(words) > MAX_NAMED else "")
