"""An answer in words: the sentence, the table, and the same for a program."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from actstudy.analysis.markdown import listed, markdown
from actstudy.analysis.questions import contrasts
from actstudy.analysis.questions.procedure import TOO_FEW, UNDECIDED
from actstudy.analysis.scale import Scale
from actstudy.contract.errors import visible
from actstudy.judging.answer import Answer, too_few_words
from actstudy.judging.question import PAIRED
from actstudy.judging.ranks import ALL_TASKS
from actstudy.judging.scores import Scores

ORDER = ["better", "worse", "equivalent", "equivalent (below the margin)", UNDECIDED, TOO_FEW]
MAX_NAMED = 6  # levels that a sentence names
SMALLEST_P = 0.0001  # that is printed


def sentences(answer: Answer) -> list[str]:
    """What was found, a sentence or two per group of levels, and one over all of them."""
    lines = []
    for (task, group), rows in answer.contrasts.groupby(["task", "group"], sort=False):
        primary = rows[rows["family"] == "primary"]
        own = answer.ranks[(answer.ranks["task"] == task) & (answer.ranks["group"] == group)]
        head = ", ".join(filter(None, [visible(task), visible(group)]))
        text = verdict_sentence(primary, answer)
        if not answer.question.looks:  # the set of the best is of one look at all seeds
            text += f" {best_sentence(own, primary)}"
        lines.append(f"{head}: {text}" if head else text)
    every = answer.ranks[answer.ranks["task"] == ALL_TASKS]
    if len(every) and not answer.question.looks:
        lines.append(f"Over all tasks, by the mean gain in margins: {best_sentence(every)}")
    return lines


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
    return f"{'; '.join(parts)}."


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
        ends = size.interval(row["low"], row["high"])
        condition = f", {row['condition']}" if row["condition"] else ""
        return f"{name} ({size.signed(row['mean'])}; {ends}{condition})"
    if row["method"] == PAIRED and row["shared_seeds"] == 0:
        return f"{name} (no seed is shared)"
    more = contrasts.more_seeds(row)[0]
    return f"{name} ({more} more {'seeds' if row['method'] == PAIRED else 'runs of both'})"


def best_sentence(rows: pd.DataFrame, contrasts_of: pd.DataFrame | None = None) -> str:
    """Who is the best; a set is never given one name, nor a level whose verdict is open.

    contrasts_of: the verdicts that the name must agree with, if there are any.
    """
    names = [visible(name) for name in rows.loc[rows["in_set"], "level"]]
    if len(names) == 1:
        level = rows.loc[rows["in_set"], "level"].iloc[0]
        if contrasts_of is None or is_decided(level, contrasts_of):
            return f"The best is {names[0]}."
        return "The best cannot be named."
    if len(names) == len(rows):
        return f"None of the {len(names)} levels is shown to be below the best by the margin."
    more = "" if len(names) <= MAX_NAMED else f" and {len(names) - MAX_NAMED} more"
    among = listed(names[:MAX_NAMED]) if not more else ", ".join(names[:MAX_NAMED]) + more
    return f"The best cannot be named: it is one of {among}."


def is_decided(level: str, rows: pd.DataFrame) -> bool:
    """Whether the verdicts of a group say too that a level is best: better, or all others worse."""
    own = rows.loc[rows["level"] == level, "verdict"]
    return bool((own == "better").all() if len(own) else (rows["verdict"] == "worse").all())


def scale_of(answer: Answer, task: str) -> Scale:
    """Decimals with which a tenth of the margin can be seen."""
    margin = answer.question.margin_of(task)
    return Scale(1, max(0, 1 - math.floor(math.log10(margin))), answer.scores.unit)


def tables(answer: Answer) -> list[tuple[str, str]]:
    """A heading and a Markdown table per group of levels, and over all tasks."""
    parts = []
    for (task, group), own in answer.ranks.groupby(["task", "group"], sort=False):
        head = ", ".join(filter(None, [str(task), str(group)]))
        if task == ALL_TASKS and own["unit"].iloc[0] == "margins":
            rows = [rank_columns(row) for row in own.to_dict("records")]
        else:
            rows = level_rows(answer, str(task), str(group), own)
        parts.append((head, markdown(rows)))
    return parts


def level_rows(answer: Answer, task: str, group: str, ranks: pd.DataFrame) -> list[dict[str, str]]:
    """A row per level of a group, the best mean first."""
    size = scale_of(answer, task)
    table = answer.contrasts
    own = table[(table["task"] == task) & (table["group"] == group)]
    by_level = own[own["family"] == "primary"].set_index("level", drop=False)
    level = own["interval_level"].max()
    every = runs_of(answer.scores, task, group)
    unit = f", {answer.scores.unit}" if answer.scores.unit else ""
    rows = []
    for row in ranks.to_dict("records"):
        name = row["level"]
        runs = runs_words(row["n"], every.get(name))
        words = {"level": name, "runs": runs, f"mean{unit}": size.number(row["mean"])}
        if name in by_level.index:
            contrast = by_level.loc[name]
            if contrast["method"] == PAIRED:
                words["pairs"] = f"{contrast['n']}"
            words[f"minus {answer.question.baseline}"] = size.signed(contrast["mean"])
            words |= test_columns(contrast, size, level)
            words["verdict"] = described(contrast)
        else:
            words["verdict"] = "baseline"
        rows.append(words | rank_columns(row))
    fullest = max(rows, key=len)
    empty = dict.fromkeys(fullest, "")
    return [empty | row for row in rows]


def runs_of(scores: Scores, task: str, group: str) -> dict[str, int]:
    """Level -> all runs of it, diverged ones among them; empty of summaries."""
    frame = scores.frame
    for name, own in (("task", task), ("group", group)):
        if name in frame:
            frame = frame[frame[name].astype(str) == own]
    return frame["level"].astype(str).value_counts().to_dict() if len(frame) else {}


def runs_words(n: int, every: int | None) -> str:
    """How many runs count: `9`, or `9 of 10` if some do not."""
    return f"{n}" if every in (None, n) else f"{n} of {every}"


def test_columns(contrast: pd.Series, size: Scale, level: float) -> dict[str, str]:
    """The interval of a contrast, of it alone, and its p, which are adjusted for the family."""
    columns = {f"{100 * level:g}% interval, not adjusted": ""}
    if math.isfinite(contrast["low"]) and math.isfinite(contrast["high"]):
        columns = dict.fromkeys(columns, size.interval(contrast["low"], contrast["high"]))
    for name, words in (("p", "adjusted p: differs"), ("p_equivalent", "adjusted p: equivalent")):
        p = contrast[name]
        columns[words] = "" if pd.isna(p) else p_words(p)
    return columns


def p_words(p: float) -> str:
    """A p with two digits; no more than 4 decimals are known of one by permutations."""
    return f"{p:.2g}" if p >= SMALLEST_P else f"below {SMALLEST_P:g}"


def rank_columns(row: Mapping[str, Any]) -> dict[str, str]:
    """A level's rank, and whether it may be the best."""
    first = row["first"]
    last = row["last"]
    rank = f"{first}" if first == last else f"{first} to {last}"
    return {
        "level": row["level"],
        "rank": rank,
        "may be the best": "yes" if row["in_set"] else "no",
    }


def described(contrast: pd.Series) -> str:
    """A verdict with its condition, what speaks against it, and what would decide it."""
    if contrast["verdict"] == TOO_FEW and contrast["method"] != PAIRED:
        return too_few_words(contrast)
    if contrast["verdict"] == TOO_FEW and contrast["shared_seeds"] == 0:
        return f"no verdict: no seed is shared with {contrast['baseline']}"
    words = contrasts.describe_verdict(contrast.to_dict())
    return "; ".join([words, *diverged(contrast)])


def diverged(contrast: pd.Series) -> Iterator[str]:
    """Per side with diverged runs that have no value, as chance level is not stated: how many."""
    for suffix, whose in (("", ""), ("_baseline", f" of {contrast['baseline']}")):
        n = contrast[f"n_diverged{suffix}"]
        if contrast[f"trains{suffix}"] is None and pd.notna(n) and n:
            runs = f"{n:.0f} of {contrast[f'n_runs{suffix}']:.0f} runs{whose}"
            yield f"{runs} diverged and are in no difference"


def as_data(answer: Answer) -> dict[str, Any]:
    """The answer for a program: plain numbers, missing ones as null."""
    margin = answer.question.margin
    return {
        "source": answer.source,
        "sentences": sentences(answer),
        "assumptions": answer.assumptions,
        "method": answer.contrasts.attrs["method"],
        "metric": answer.scores.metric,
        "unit": answer.scores.unit,
        "higher_is_better": answer.scores.higher_is_better,
        "baseline": answer.question.baseline,
        "margin": dict(margin) if isinstance(margin, Mapping) else margin,
        "contrasts": records(answer.contrasts),
        "ranks": records(answer.ranks),
    }


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as JSON has them: floats as they are, missing and infinite ones null."""
    rows = []
    for row in frame.astype(object).to_dict("records"):
        rows.append({str(name): plain(value) for name, value in row.items()})
    return rows


def plain(value: Any) -> Any:
    """A value of a frame as JSON has it."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value
