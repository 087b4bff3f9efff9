"""Is each level of a source the same as its reference? Both ends of a margin stated first."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from actstudy.contract.errors import StudyError, visible
from actstudy.judging import assumed, words
from actstudy.judging import question as asking
from actstudy.judging.question import PAIRED, UNPAIRED, Question
from actstudy.judging.reading import confounders
from actstudy.judging.scores import Scores, checked
from actstudy.judging.statistics import equivalence

TESTS = {  # method -> how it is tested
    PAIRED: "their differences are tested by two one-sided t tests",
    UNPAIRED: "they are tested by two one-sided Welch tests",
}


@dataclass(frozen=True)
class Sameness:
    """Whether levels are the same as the baseline.

    table: a row per task, group and level, columns of `equivalence.table`; attrs: method.
    """

    source: str
    scores: Scores
    question: Question
    table: pd.DataFrame
    assumptions: list[str]


def same(scores: Scores, question: Question, source: str) -> Sameness:
    """The levels of a source against its baseline.

    The levels of a task and group share the 5% of each end. Runs that diverged have no number and
    are left out, whatever chance level is. StudyError for summaries, for looks or a family of all
    tasks, which these tests do not have, or if a side has fewer than two runs.
    """
    if scores.summaries is not None:
        raise StudyError(f"{source}: --equivalence: got means, sd and n; allowed: a row per run")
    if question.looks or question.family != "task":
        got = "several looks" if question.looks else f"--family {question.family}"
        raise StudyError(
            f"--equivalence: got {got}; allowed: one look at all seeds, for each task by itself"
        )
    rows = checked(scores.frame, source)
    asking.check(question, rows, source)
    method = asking.method_of(question, scores, rows, source)
    parts = []
    for (task, group), part in rows[~rows["diverged"]].groupby(["task", "group"], sort=False):
        try:
            table = equivalence.table(
                part.drop(columns="task"),
                question.baseline,
                question.margin_of(task),
                scores.higher_is_better,
                method == PAIRED,
            )
        except StudyError as error:
            place = ", ".join(filter(None, [task, group]))
            raise StudyError(": ".join(filter(None, [source, place, f"{error}"]))) from None
        parts.append(table.assign(task=task, group=group))
    whole = pd.concat(parts, ignore_index=True).astype({"more_seeds": "Int64"})
    whole.attrs["method"] = method
    return Sameness(source, scores, question, whole, assumptions(scores, question, method, rows))


def assumptions(scores: Scores, question: Question, method: str, rows: pd.DataFrame) -> list[str]:
    """What is taken for granted, in sentences; rows: of `scores.checked`."""
    without_chance = rows.assign(chance=float("nan"))
    return [
        *scores.assumptions,
        assumed.how_taken(question, scores, method, rows, TESTS[method]),
        *assumed.unequal(rows),
        *assumed.diverged(without_chance, "left out, as they have no value"),
        *(assumed.without_partner(rows, question.baseline) if method == PAIRED else []),
        *assumed.one_margin(question, rows),
        "Noise is taken as nearly normal.",
        "The levels of a task share 5% at each end of the margin. A gain is positive if the level "
        "is better; its interval lies inside of the margin exactly if it is shown to be the same.",
    ]


def sentences(answer: Sameness) -> list[str]:
    """A sentence per row of the table."""
    lines = []
    for row in answer.table.itertuples():
        place = ", ".join(filter(None, [row.task, row.group]))
        text = equivalence.sentence(row, row.level, row.baseline, answer.scores.unit)
        text = f"{text.removesuffix('.')}{confounders.clause(answer.scores.confounders)}."
        lines.append(visible(f"{place}: {text}" if place else text))
    return lines


def as_data(answer: Sameness) -> dict[str, Any]:
    """The answer for a program, with the keys of `words.as_data`, and `sameness` for its tables."""
    return {
        "source": answer.source,
        "sentences": sentences(answer),
        "assumptions": answer.assumptions,
        "method": answer.table.attrs["method"],
        **words.question_data(answer.scores, answer.question),
        "sameness": words.records(answer.table),
    }
