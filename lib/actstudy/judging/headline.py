"""The sentence at the top of an answer: verdicts, collapses, and who is the best."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from actstudy.analysis.markdown import listed
from actstudy.analysis.questions import contrasts, reservations
from actstudy.analysis.questions.procedure import TOO_FEW, UNDECIDED
from actstudy.analysis.scale import Scale
from actstudy.contract.counting import counted
from actstudy.contract.errors import visible
from actstudy.judging.answer import Answer
from actstudy.judging.question import PAIRED
from actstudy.judging.ranks import ALL_TASKS
from actstudy.judging.reading import confounders

ORDER = ["better", "worse", "equivalent", "equivalent (below the margin)", UNDECIDED, TOO_FEW]
MAX_NAMED = 6  # levels that a sentence names


def sentences(answer: Answer) -> list[str]:
    """What was found, a sentence or more per group of levels, and one over all of them."""
    lines = []
    table = answer.contrasts[answer.contrasts["family"] == "primary"]
    for (task, group), primary in table.groupby(["task", "group"], sort=False):
        own = answer.ranks[(answer.ranks["task"] == task) & (answer.ranks["group"] == group)]
        head = place_of(task, group)
        parts = [verdict_sentence(primary, answer), collapse_sentence(primary)]
        if not answer.question.looks:  # the set of the best is of one look at all seeds
            parts.append(best_sentence(own, primary))
        text = " ".join(filter(None, parts))
        lines.append(f"{head}: {text}" if head else text)
    every = answer.ranks[answer.ranks["task"] == ALL_TASKS]
    if len(every) and not answer.question.looks:
        lines.append(f"Over all tasks, by the mean gain in margins: {best_sentence(every, table)}")
    return lines


def place_of(task: object, group: object) -> str:
    """A task and group in words, empty if there is one of each."""
    return ", ".join(filter(None, [visible(task), visible(group)]))


def verdict_sentence(rows: pd.DataFrame, answer: Answer) -> str:
    """`silu is better than relu (+0.02, +0.01 to +0.03); tanh is undecided (12 more seeds).`"""
    size = scale_of(answer, str(rows["task"].iloc[0]))
    baseline = visible(answer.question.baseline)
    parts = []
    for verdict in sorted(rows["verdict"].unique(), key=ORDER.index):
        own = rows[rows["verdict"] == verdict]
        names = [level_words(row, size) for row in own.head(MAX_NAMED).to_dict("records")]
        if len(own) > MAX_NAMED:
            names.append(f"{len(own) - MAX_NAMED} more")
        are = "is" if len(own) == 1 else "are"
        parts.append(f"{listed(names)} {are} {verdict_words(str(verdict), baseline)}")
    return f"{'; '.join(parts)}{confounders.clause(answer.scores.confounders)}."


def verdict_words(verdict: str, baseline: str) -> str:
    """A verdict with what it is about: `better than relu`."""
    if verdict in ("better", "worse"):
        return f"{verdict} than {baseline}"
    if verdict.startswith("equivalent"):
        return f"equivalent to {baseline}{verdict.removeprefix('equivalent')}"
    if verdict == TOO_FEW:
        return "without a verdict"
    return f"undecided against {baseline}"


def level_words(row: Mapping[str, Any], size: Scale) -> str:
    """A level with its difference, or with what would decide it."""
    name = visible(row["level"])
    if row["verdict"] not in (TOO_FEW, UNDECIDED):
        parts = [f"{size.signed(row['mean'])}; {size.interval(row['low'], row['high'])}"]
        if row["condition"]:
            parts.append(visible(row["condition"]))
        if row["contradiction"]:
            parts.append(f"but {row['contradiction']}")
        return f"{name} ({', '.join(parts)})"
    is_paired = row["method"] == PAIRED
    if is_paired and row["shared_seeds"] == 0:
        return f"{name} (no seed is shared)"
    more = counted(contrasts.more_seeds(row)[0], f"more {'seed' if is_paired else 'run'}")
    return f"{name} ({more}{'' if is_paired else ' of both'})"


def collapse_sentence(rows: pd.DataFrame) -> str:
    """Per level whose runs collapsed, or that a verdict takes for granted to train: how many, risk.

    Empty if there is none; rows: the verdicts of one group.
    """
    seen: dict[str, tuple[int, str]] = {}
    for row in rows.to_dict("records"):
        for suffix, level in (("", row["level"]), ("_baseline", row["baseline"])):
            n = row[f"n_collapsed{suffix}"]
            if pd.notna(n) and (n or takes_for_granted(row, suffix)):
                seen.setdefault(str(level), (int(n), collapse_words(row, suffix, str(level))))
    texts = [text for _, text in sorted(seen.values(), key=lambda pair: -pair[0])]
    if len(texts) > MAX_NAMED:
        texts = [*texts[:MAX_NAMED], f"{len(texts) - MAX_NAMED} more"]
    return f"{listed(texts)}." if texts else ""


def takes_for_granted(row: Mapping[str, Any], suffix: str) -> bool:
    """Whether a verdict holds only if a side trains; suffix: `_baseline` for the other side."""
    condition = row["condition"]
    if condition in ("", reservations.WHEN_BOTH_TRAIN):
        return bool(condition)
    return (condition == reservations.WHEN_IT_TRAINS) == (suffix == "")


def collapse_words(row: Mapping[str, Any], suffix: str, level: str) -> str:
    """`1 of 10 runs of lion diverged (a risk of up to 39% is not excluded)`."""
    lost = int(row[f"n_collapsed{suffix}"])
    diverged = int(row[f"n_diverged{suffix}"])
    verb = "diverged" if 0 < lost == diverged else "collapsed"
    also = f"{diverged} of them diverged; " if 0 < diverged < lost else ""
    risk = f"a risk of up to {row[f'risk{suffix}']:.0%} is not excluded"
    return f"{lost} of {row[f'n_runs{suffix}']:.0f} runs of {visible(level)} {verb} ({also}{risk})"


def best_sentence(rows: pd.DataFrame, contrasts_of: pd.DataFrame) -> str:
    """Who is the best; a set is never given one name, nor a level whose verdict is open.

    contrasts_of: the verdicts that the name must agree with, in every task and group.
    """
    names = [visible(name) for name in rows.loc[rows["in_set"], "level"]]
    if len(names) == 1:
        return sole_sentence(str(rows.loc[rows["in_set"], "level"].iloc[0]), contrasts_of)
    is_separated = contrasts_of["verdict"].isin(["better", "worse"]).any()
    if len(names) == len(rows) and not is_separated:
        return f"None of the {len(names)} levels is shown to be below the best by the margin."
    more = "" if len(names) <= MAX_NAMED else f" and {len(names) - MAX_NAMED} more"
    among = listed(names[:MAX_NAMED]) if not more else ", ".join(names[:MAX_NAMED]) + more
    return f"The best cannot be named: it is one of {among}."


def sole_sentence(level: str, rows: pd.DataFrame) -> str:
    """Whether the one level left is the best by every verdict, or which tasks say otherwise."""
    places = []
    conditions = []
    groups = list(rows.groupby(["task", "group"], sort=False))
    for (task, group), part in groups:
        if not is_decided(level, part):
            places.append(place_of(task, group))
        own = part[part["level"] == level]
        conditions += list((own if len(own) else part)["condition"])
    if not places:
        words = [f", {visible(text)}" for text in dict.fromkeys(conditions) if text]
        return f"The best is {visible(level)}{''.join(words[:MAX_NAMED])}."
    if len(groups) == 1:
        by_rank = f"by ranks it is {visible(level)}"
        return f"The best cannot be named: {by_rank}, but {reason_against(level, rows)}."
    if len(places) > MAX_NAMED:
        places = [*places[:MAX_NAMED], f"{len(places) - MAX_NAMED} more"]
    return f"The best cannot be named: {visible(level)} is not so by verdict in {listed(places)}."


def reason_against(level: str, rows: pd.DataFrame) -> str:
    """Why the verdicts of a group do not call the one level that may be best the best."""
    needed = deciding(level, rows)
    if (needed["contradiction"] != "").any():
        return "something speaks against its verdict" + ("s" if len(needed) > 1 else "")
    if level in set(rows["level"]):
        return "no verdict says that it is better"
    return "not all others are worse by verdict"


def is_decided(level: str, rows: pd.DataFrame) -> bool:
    """Whether the verdicts of a group say too that a level is best: better, or all others worse.

    Not if something speaks against such a verdict.
    """
    word = "better" if level in set(rows["level"]) else "worse"
    needed = deciding(level, rows)
    return bool(((needed["verdict"] == word) & (needed["contradiction"] == "")).all())


def deciding(level: str, rows: pd.DataFrame) -> pd.DataFrame:
    """The verdicts on which it depends that a level is best: its own, or all of the baseline."""
    own = rows[rows["level"] == level]
    return own if len(own) else rows


def scale_of(answer: Answer, task: str) -> Scale:
    """Decimals with which a tenth of the margin can be seen."""
    margin = answer.question.margin_of(task)
    return Scale(1, max(0, 1 - math.floor(math.log10(margin))), answer.scores.unit)
