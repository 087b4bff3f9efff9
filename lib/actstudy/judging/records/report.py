"""Published tables of records: which of them stand against their predecessors.

Of an entry its mean over n runs is known, and one standard deviation sigma for all runs. An
entry's score is its mean, minus what its cost is worth; a gain, earlier minus later score, has
standard error sigma sqrt(1 / n1 + 1 / n2), and p is that of a one-sided z test of no gain.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from actstudy.contract.counting import counted
from actstudy.contract.errors import StudyError, choices
from actstudy.judging.readers import delimited, tables
from actstudy.judging.reading import cells
from actstudy.judging.records import words
from actstudy.judging.records.rules import Rules, read_rules
from actstudy.judging.statistics.welch import holm
from actstudy.own_data.frames import Frame

ALPHA = 0.05
ROUNDING = 1e-12  # of sums of decimals, that must not decide
MAX_ENTRIES = 5_000  # each is compared with each


@dataclass(frozen=True)
class Entries:
    """The entries of a table in its order, all arrays (N,).

    score: larger is better, in units of the mean, cost included.
    """

    names: list[str]
    mean: np.ndarray
    n: np.ndarray
    is_record: np.ndarray
    score: np.ndarray


def report(table: Path, rules: Path) -> tuple[str, dict[str, Any]]:
    """A published table judged, as Markdown and as data.

    table: CSV, Parquet or JSON lines; rules: a file that `read_rules` reads. The data have `steps`
    (a row per successive pair of records), `counts`, `tied` (the set that holds the best, and what
    is close to the last record) and what was assumed. StudyError, in one line, for a table or rules
    that do not fit.
    """
    known = read_rules(Path(rules))
    entries = entries_of(Path(table), known)
    data = judged(entries, known)
    return words.text(data), data


def judged(entries: Entries, rules: Rules) -> dict[str, Any]:
    """What is said of a table."""
    steps = successive(entries, rules)
    data: dict[str, Any] = {
        "title": rules.title,
        "source": rules.source,
        "entries": len(entries.names),
        "records": int(entries.is_record.sum()),
        "sigma": rules.sigma,
        "threshold": rules.threshold,
        "steps": steps.to_dict("records"),
        "counts": counts(steps, rules),
        "tied": tied(entries, rules),
        "assumed": assumptions(rules),
    }
    if rules.target is not None and rules.threshold is not None:
        data["valid"] = int(valid(entries, rules).sum())
        data["target"] = rules.target
    if rules.rounding:
        worst, best = (
            counts(successive(entries, rules, 2 * sign * rules.rounding), rules) for sign in (-1, 1)
        )
        data["counts_if_rounded"] = {name: [worst[name], best[name]] for name in worst}
    return data


def successive(entries: Entries, rules: Rules, shift: float = 0.0) -> pd.DataFrame:
    """A row per record and the record before it: gain, its standard error, z, p, what stands.

    shift: what is added to every gain. own (None without a threshold), holm and plain say whether
    the later one stands by the table's formula, by Holm's method over all pairs at 5%, and by a
    test at 5% of each pair alone.
    """
    places = np.flatnonzero(entries.is_record)
    before, after = places[:-1], places[1:]
    gain = entries.score[after] - entries.score[before] + shift
    spread = np.sqrt(1 / entries.n[before] + 1 / entries.n[after])
    p = special.ndtr(-gain / (rules.sigma * spread))
    own = [None] * len(gain)
    if rules.threshold is not None:
        own = list(gain / spread >= rules.threshold - ROUNDING)
    return pd.DataFrame(
        {
            "record": [entries.names[place] for place in after],
            "before": [entries.names[place] for place in before],
            "gain": gain,
            "error": rules.sigma * spread,
            "z": gain / (rules.sigma * spread),
            "p": p,
            "p_holm": holm(p),
            "own": own,
            "holm": holm(p) <= ALPHA,
            "plain": p <= ALPHA,
        }
    )


def counts(steps: pd.DataFrame, rules: Rules) -> dict[str, int]:
    """How many successive records stand, by each rule, and of how many."""
    rules_of_standing = ["holm", "plain"]
    if rules.threshold is not None:
        rules_of_standing.insert(0, "own")
    numbers = {name: int(steps[name].sum()) for name in rules_of_standing}
    return {"pairs": len(steps), **numbers}


def tied(entries: Entries, rules: Rules) -> dict[str, Any]:
    """The entries that hold the truly best with 95%, and whether the last record is one.

    An entry leaves if another one is better by a one-sided z test at 5% / (N - 1) (Bonferroni, as
    in `choice`).
    """
    score = entries.score
    spread = np.sqrt(1 / entries.n[:, None] + 1 / entries.n[None, :])
    p = special.ndtr(-(score[:, None] - score[None, :]) / (rules.sigma * spread))
    np.fill_diagonal(p, 1.0)
    level = ALPHA / max(len(score) - 1, 1)
    is_in = ~(p <= level).any(axis=0)
    is_in[score.argmax()] = True
    last = int(np.flatnonzero(entries.is_record)[-1])
    with_last = (p[last] > level) & (p[:, last] > level)
    with_last[last] = True
    names = np.array(entries.names, dtype=object)
    return {
        "best": entries.names[int(score.argmax())],
        "last_record": entries.names[last],
        "group": names[is_in].tolist(),
        "holds_last_record": bool(is_in[last]),
        "close_to_last_record": names[with_last & (np.arange(len(names)) != last)].tolist(),
    }


def valid(entries: Entries, rules: Rules) -> np.ndarray:
    """Whether each entry beats the target by the table's own formula, bool (N,)."""
    sign = -1 if rules.lower_is_better else 1
    gain = sign * (entries.mean - (rules.target or 0.0))
    return np.asarray(gain * np.sqrt(entries.n) >= (rules.threshold or 0.0) - ROUNDING)


def assumptions(rules: Rules) -> list[str]:
    """What is taken for granted."""
    assumed = [
        f"The standard deviation of a run is {rules.sigma:g} for every entry, as the table states.",
        "Means of runs are normal, and runs of different entries independent.",
        "The number of runs was not chosen by looking at their results.",
    ]
    if rules.exchange is not None:
        assumed.append(
            f"{rules.exchange.cost:g} of {rules.columns.cost} are worth exactly "
            f"{rules.exchange.mean:g} of the mean."
        )
    return assumed


def entries_of(table: Path, rules: Rules) -> Entries:
    """The entries of a table; StudyError, with the row, if it does not fit its rules."""
    frame = frame_of(table)
    for role, name in rules.columns.model_dump().items():
        if name is not None and name not in frame.columns:
            raise StudyError(
                f"{table}: columns.{role}: got {name!r:.60}; {choices(name, frame.columns)}"
            )
    if (rules.exchange is None) != (rules.columns.cost is None):
        raise StudyError(
            f"{table}: exchange: got it without columns.cost, or that alone; allowed: both"
        )
    if frame.n > MAX_ENTRIES:
        raise StudyError(f"{table}: got {frame.n:,} rows; allowed: up to {MAX_ENTRIES:,} entries")
    mean = finite(frame, rules.columns.mean)
    n = finite(frame, rules.columns.n, "a whole number of runs", (1, 1e9))
    score = -mean if rules.lower_is_better else mean
    if rules.exchange is not None and rules.columns.cost is not None:
        cost = finite(frame, rules.columns.cost)
        score = score - cost / rules.exchange.cost * rules.exchange.mean
    is_record = np.full(frame.n, True)
    if rules.columns.record is not None:
        is_record = finite(frame, rules.columns.record, "1 or 0", (0, 1)) == 1
    if is_record.sum() < 2:
        raise StudyError(f"{table}: got {counted(is_record.sum(), 'record')}; allowed: two or more")
    names = cells.texts(frame, rules.columns.entry, "name").tolist()
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise StudyError(
            f"{table}: entry {repeated[0]!r:.60}: got it twice; allowed: a row per entry"
        )
    return Entries(names, mean, n, is_record, score)


def frame_of(table: Path) -> Frame:
    """The table in a file."""
    for reader in (delimited, tables):
        if reader.recognises(table):
            frame: Frame = reader.frame_of(table)
            return frame
    raise StudyError(f"{table}: no such table; allowed: a CSV, TSV, Parquet or JSON lines file")


def finite(
    frame: Frame,
    name: str,
    words: str = "a finite number",
    whole: tuple[float, float] | None = None,
) -> np.ndarray:
    """A column of finite numbers, (N,); whole: bounds of whole ones. StudyError with the row."""
    values, _ = cells.numbers(frame, name)
    wrong = ~np.isfinite(values)
    if whole is not None:
        low, high = whole
        wrong |= (values % 1 != 0) | (values < low) | (values > high)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise frame.source.fault(f"{frame.place(row, name)}: got {values[row]:g}; allowed: {words}")
    return values
