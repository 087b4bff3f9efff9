"""The gate: may a change be kept, with one error budget over all attempts of a ledger.

Attempt j of a ledger may err with probability `level_of(j)`, which add up to the ledger's level
over any number of attempts. Within an attempt capital is bet (analysis/questions/capital.py), so it
may be asked again after every seed. By Bonferroni's inequality at most `level` of ledgers ever keep
a change that is none, whatever the attempts have in common, such as the runs of the baseline.
"""

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actstudy.contract.errors import StudyError
from actstudy.judging.gate import attempts, baselines, ledger
from actstudy.judging.gate.attempts import FAILED, Question
from actstudy.judging.gate.baselines import ATTEMPT
from actstudy.judging.gate.decision import (
    DO_NOT,
    KEEP,
    MORE,
    Decision,
    Rules,
    decide,
    estimate,
    evidence_needed,
    level_of,
    spent_by,
)
from actstudy.judging.gate.ledger import Line
from actstudy.judging.gate.proposals import Side
from actstudy.judging.scores import MIN_REPEATS

STATUS = {KEEP: 0, DO_NOT: 1, MORE: 2}  # exit status of a verdict
REFUSED = 3  # exit status of a question that is none
START = "start"  # kind of the first line
FORMAT = 1  # of the lines


def ask(path: Path, question: Question, stated: dict[str, Any], known: str = "") -> Line:
    """The answer to a question, as a line of the ledger, which has it from now on.

    stated: fields of Rules that the user names, which the first line of a ledger fixes. known: a
    hash that the ledger must hold. A question that was asked before has its earlier answer, and no
    new line. StudyError if the question is none, or the ledger was edited.
    """
    with ledger.writing(path) as lines:
        if known:
            ledger.expect(path, lines, known)
        rules = rules_of(path, lines, stated)
        before = attempts.last_of(lines, question)
        if before is not None and before["kind"] == FAILED:
            return {**of_failed(lines, rules), **answered(before, rules, True)}
        attempts.check_change(question)
        baselines.check(question.baseline, lines)
        if before is None:
            attempts.check_new(question, lines)
        else:
            attempts.check_continues(question, before)
        seeds, is_paired = attempts.pairs(question, before)
        is_same = before is not None and len(seeds) == len(before["pairs"])
        if before is not None and (before["verdict"] == DO_NOT or is_same):
            return answered(before, rules, True)
        content = judged(question, seeds, rules, before, attempt_number(lines, before))
        if not lines:
            ledger.append(path, lines, first_line(rules))
        content["paired"] = is_paired
        content["without"] = without(question, lines, before)
        return answered(ledger.append(path, lines, content), rules, False)


def answered(line: Line, rules: Rules, is_remembered: bool) -> Line:
    """A line as an answer: whether it was there before, and the error that its ledger may spend."""
    return {**line, "remembered": is_remembered, "budget": rules.level}


def rules_of(path: Path, lines: Sequence[Line], stated: dict[str, Any]) -> Rules:
    """The rules of a ledger, or of a new one; StudyError if the user states others."""
    if not lines:
        return Rules(**stated)
    fixed = lines[0]
    if fixed["kind"] != START or fixed.get("format") != FORMAT:
        raise StudyError(f"{path}: line 1: got no ledger of a gate; allowed: one format {FORMAT}")
    for name, value in stated.items():
        if fixed[name] != value:
            raise StudyError(
                f"{path}: {name}: got {value}, but the ledger was started with {fixed[name]}; "
                "allowed: the same, or another ledger with an error budget of its own"
            )
    return Rules(**{name: fixed[name] for name in vars(Rules())})


def first_line(rules: Rules) -> dict[str, Any]:
    """What the first line of a ledger holds."""
    return {"kind": START, "format": FORMAT, "time": now(), **vars(rules)}


def without(question: Question, lines: Sequence[Line], before: Line | None) -> int | None:
    """The line of the last change that was kept, if the baseline of the attempt is without it."""
    if before is not None:
        return before.get("without")
    return baselines.missing_change(question.baseline, lines)


def attempt_number(lines: Sequence[Line], before: Line | None) -> int:
    """The number of an attempt: that of its line before, or the next one."""
    if before is not None:
        return int(before["attempt"])
    return 1 + max((line["attempt"] for line in lines if line["kind"] == ATTEMPT), default=0)


def judged(
    question: Question,
    seeds: list[tuple[str, str]],
    rules: Rules,
    before: Line | None,
    attempt: int,
) -> dict[str, Any]:
    """What a line says of an attempt with these pairs; one that was kept stays so."""
    x = attempts.differences(question, seeds, rules.higher_is_better)
    check_varies(x)
    level = level_of(attempt, rules.level)
    decision = decide(x, level, rules)
    if before is not None and before["verdict"] == KEEP:
        decision = Decision(KEEP, before["reason"], before["rows"], None, before["evidence"])
    elif decision.verdict == KEEP:
        decision = unless_it_diverges(decision, question, seeds)
    rows = len(x) if decision.rows is None else decision.rows
    is_kept = decision.verdict == KEEP
    return {
        "kind": ATTEMPT,
        "time": now(),
        "attempt": attempt,
        **vars(decision),
        "level": level,
        "evidence_needed": evidence_needed(attempt, rules.level),
        "spent": spent_by(attempt, rules.level),
        "gain": estimate(x[:rows]),
        "fresh": estimate(x[rows:]) if is_kept else None,
        "pairs": seeds,
        **{name: side.record() for name, side in question.sides()},
    }


def check_varies(x: np.ndarray) -> None:
    """StudyError if all pairs differ by one and the same number, as runs without a seed do."""
    known = x[np.isfinite(x)]
    if len(known) >= MIN_REPEATS and np.ptp(known) == 0:
        raise StudyError(
            f"all {len(known)} pairs differ by {known[0]:g}; allowed: runs whose results depend on "
            "their seed, as others are no sample"
        )


def unless_it_diverges(
    decision: Decision, question: Question, seeds: list[tuple[str, str]]
) -> Decision:
    """A decision to keep, turned if the candidate lost more of the runs than the baseline."""
    rows = seeds[: decision.rows]
    candidate = attempts.lost(question.candidate, [pair[0] for pair in rows])
    baseline = attempts.lost(question.baseline, [pair[1] for pair in rows])
    if len(candidate) <= len(baseline):
        return decision
    reason = f"better when it trains, but {len(candidate)} of {len(rows)} runs diverged "
    reason += f"(baseline: {len(baseline)})"
    return Decision(DO_NOT, reason, decision.rows, None, decision.evidence)


def give_up(path: Path, side: Side | None, name: str, reason: str, stated: dict[str, Any]) -> Line:
    """Write a failed or abandoned attempt into the ledger; it can be kept no more."""
    with ledger.writing(path) as lines:
        rules = rules_of(path, lines, stated)
        if not lines:
            ledger.append(path, lines, first_line(rules))
        content: dict[str, Any] = {"kind": FAILED, "time": now(), "verdict": DO_NOT}
        content["reason"] = reason
        content["name"] = name
        content["candidate"] = side.record() if side else None
        content |= of_failed(lines, rules)
        return answered(ledger.append(path, lines, content), rules, False)


def of_failed(lines: Sequence[Line], rules: Rules) -> dict[str, float]:
    """What an attempt without a judgement may err, nothing, and what those before it have spent."""
    return {"level": 0.0, "spent": spent_by(attempt_number(lines, None) - 1, rules.level)}


def now() -> str:
    """The time in UTC, to a second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
