"""Level, seed and task from the names of runs: `relu/seed3`, `gelu-0`."""

import re
from collections.abc import Sequence

import pandas as pd

from actstudy.contract.errors import StudyError, visible
from actstudy.judging.reading.options import Options

USUAL = re.compile(
    r"(?P<level>.*?[^\s/_.=-])[\s/_.=-]*(?:(?:seed|run|rep|trial|fold|s)[\s_=.-]*)?(?P<seed>\d+)",
    re.IGNORECASE,
)
PARTS = ("level", "seed", "task", "group")
EXAMPLE = "{level}/seed{seed}"


def pattern_of(text: str) -> re.Pattern[str]:
    """The pattern that a text such as EXAMPLE describes; StudyError if it names no level."""
    pieces = re.split(r"\{(\w*)\}", text)
    parts = pieces[1::2]
    unknown = [part for part in parts if part not in (*PARTS, "")]
    if unknown or "level" not in parts or len(set(filter(None, parts))) < len(parts):
        allowed = f"{{level}}, and {{seed}}, {{task}}, {{group}}, each once: {EXAMPLE}"
        raise StudyError(f"run_name: got {text!r:.80}; allowed: text with {allowed}")
    pattern = ""
    for place, piece in enumerate(pieces):
        if place % 2 == 0:
            pattern += re.escape(piece)
        elif piece == "seed":
            pattern += r"(?P<seed>\d+)"
        else:
            pattern += f"(?P<{piece}>.+?)"
    return re.compile(pattern)


def labels(names: Sequence[str], options: Options, where: str) -> tuple[pd.DataFrame, list[str]]:
    """Columns level and, as far as names say it, seed, task and group, a row per name.

    StudyError, with a name, if one does not fit.
    """
    pattern = USUAL if options.run_name is None else pattern_of(options.run_name)
    rows = []
    for name in names:
        matched = pattern.fullmatch(name)
        if not matched:
            raise StudyError(
                f"{where}: run {visible(name)!r:.80}: its name does not say its level; allowed: "
                f"names such as relu-3, or --run-name with a pattern such as {EXAMPLE!r}"
            )
        rows.append({part: visible(text) for part, text in matched.groupdict().items()})
    if options.run_name is not None:
        return pd.DataFrame(rows), []
    first = rows[0]
    sentence = f"Levels and seeds are read from the names of runs: {visible(names[0])!r} as level "
    return pd.DataFrame(rows), [f"{sentence}{first['level']!r}, seed {first['seed']}."]
