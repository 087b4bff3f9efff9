"""The attempts of a ledger: which of them a question continues, and what is refused as none."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from actstudy.contract.errors import StudyError
from actstudy.judging.gate.baselines import ATTEMPT
from actstudy.judging.gate.decision import KEEP
from actstudy.judging.gate.ledger import Line
from actstudy.judging.gate.proposals import Side, Values, seed_order

MIN_SAME = 3  # seeds from which equal values of two sides are no accident
MIN_COPIED = 5  # values from which it is none that all are the other side's under other seeds
FAILED = "failed"  # kind of a line: an attempt without a judgement
SIDES = ("candidate", "baseline")


@dataclass(frozen=True)
class Question:
    """Is the candidate better than the baseline?"""

    candidate: Side
    baseline: Side

    def sides(self) -> Iterator[tuple[str, Side]]:
        """Both sides with their names."""
        yield "candidate", self.candidate
        yield "baseline", self.baseline


def check_change(question: Question) -> None:
    """StudyError if the candidate is the baseline: only other seeds, or the same numbers.

    Recognised by: settings that are equal, seeds left out, without a change of code; the same name
    without settings; or values that are all the baseline's (`same_runs`).
    """
    candidate = question.candidate
    baseline = question.baseline
    if candidate.is_described and not candidate.change:
        if candidate.settings == baseline.settings:
            raise StudyError(
                f"{candidate.source}: only another seed: its settings are those of the baseline, "
                f"{_listed(candidate.settings)}; allowed: other settings, a column that says what "
                "changed (such as commit), or --diff with the change of code"
            )
    elif candidate.key and candidate.key == baseline.key:
        raise StudyError(
            f"{candidate.source}: only another seed: it is called as the baseline is; allowed: "
            "columns with settings, --name, or --diff with the change of code"
        )
    if same_runs(candidate.values, baseline.values):
        raise StudyError(
            f"{candidate.source}: no change: all its values are the baseline's; allowed: runs of "
            "something else"
        )


def same_runs(first: Values, second: Values) -> bool:
    """Whether the runs of one side are the other's, seed by seed or under other seeds.

    Seed by seed from MIN_SAME common seeds on; under other seeds from MIN_COPIED values on, if no
    two of a side are equal (a metric with few values says nothing).
    """
    common = [seed for seed in first if seed in second]
    if len(common) >= MIN_SAME and all(first[seed] == second[seed] for seed in common):
        return True
    values = list(first.values())
    others = list(second.values())
    has_ties = len(set(values)) < len(values) or len(set(others)) < len(others)
    return len(values) >= MIN_COPIED and not has_ties and set(values) <= set(others)


def _listed(settings: dict[str, str]) -> str:
    entries = [f"{name}={value}"[:40] for name, value in list(settings.items())[:6]]
    return ", ".join(entries)


def last_of(lines: Sequence[Line], question: Question) -> Line | None:
    """The last line of the attempt that a question continues, None if it is a new one.

    It is the same attempt if both sides have the same key, or without a key all its values.
    """
    for line in reversed(lines):
        if line["kind"] not in (ATTEMPT, FAILED) or not line.get("candidate"):
            continue
        if line["kind"] == FAILED:
            if is_side(question.candidate, line["candidate"]):
                return line
        elif all(is_side(side, line[name]) for name, side in question.sides()):
            return line
    return None


def is_side(side: Side, record: dict[str, Any]) -> bool:
    """Whether a side is the recorded one, with as many seeds or more."""
    if side.key or record["key"]:
        return bool(side.key == record["key"])
    return bool(record["values"]) and record["values"].items() <= side.values.items()


def check_continues(question: Question, line: Line) -> None:
    """StudyError if runs of an attempt changed, or are gone, since its last line."""
    for name, side in question.sides():
        _check_values(name, side, line[name]["values"], line["line"])
        for seed in line[name]["values"]:
            if seed not in side.values:
                raise StudyError(
                    f"{side.source}: {name}: seed {seed} of line {line['line']} is missing; "
                    "allowed: all its seeds, and more"
                )


def check_new(question: Question, lines: Sequence[Line]) -> None:
    """StudyError if a new attempt has runs of an earlier one.

    Runs of attempts before the last change that was kept may be asked about again, and so may those
    of a candidate that is called as it was, against another baseline.
    """
    for line in reversed(lines):
        if line["kind"] != ATTEMPT:
            continue
        is_same = same_runs(question.candidate.values, line["candidate"]["values"])
        if is_same and not is_side(question.candidate, line["candidate"]):
            raise StudyError(
                f"{question.candidate.source}: its runs are those of line {line['line']}, under "
                "another name; allowed: runs of its own, or the question of that line"
            )
        if line["verdict"] == KEEP:
            break


def _check_values(name: str, side: Side, before: Values, number: int) -> None:
    for seed, value in before.items():
        if seed in side.values and side.values[seed] != value:
            raise StudyError(
                f"{side.source}: {name}: seed {seed}: got {side.values[seed]}, but {value} in line "
                f"{number}; a run that is repeated is no new run; allowed: its first value"
            )


def pairs(question: Question, before: Line | None) -> tuple[list[tuple[str, str]], bool]:
    """The seeds that are compared, in the order in which they are judged, and if they are equal.

    Paired by seed if the sides have a seed in common, else the k-th of one with the k-th of the
    other. Pairs of the attempt's line before come first. StudyError if one side alone lacks a seed
    in between.
    """
    earlier = [(pair[0], pair[1]) for pair in before["pairs"]] if before else []
    candidate = list(question.candidate.values)
    baseline = list(question.baseline.values)
    common = [seed for seed in candidate if seed in question.baseline.values]
    is_paired = bool(before["paired"]) if before else bool(common)
    if is_paired:
        check_gaps(question, common)
        new = [(seed, seed) for seed in common if (seed, seed) not in earlier]
    else:
        paired_candidate = {pair[0] for pair in earlier}
        paired_baseline = {pair[1] for pair in earlier}
        first = [seed for seed in candidate if seed not in paired_candidate]
        second = [seed for seed in baseline if seed not in paired_baseline]
        new = list(zip(first, second, strict=False))
    return earlier + new, is_paired


def check_gaps(question: Question, common: Sequence[str]) -> None:
    """StudyError for a seed, before the last common one, that one side has and the other lacks."""
    end = max(map(seed_order, common))
    for name, other in (("candidate", question.baseline), ("baseline", question.candidate)):
        side = question.candidate if name == "candidate" else question.baseline
        for seed in other.values:
            if seed not in side.values and seed_order(seed) < end:
                raise StudyError(
                    f"{side.source}: {name}: seed {seed} is missing; allowed: every seed of the "
                    "other side; a run that failed is stated, with an empty value"
                )


def differences(
    question: Question, seeds: Sequence[tuple[str, str]], higher_is_better: bool
) -> np.ndarray:
    """Candidate minus baseline of each pair, positive if better; missing if a run diverged."""
    sign = 1.0 if higher_is_better else -1.0
    rows = []
    for first, second in seeds:
        candidate = question.candidate.values[first]
        baseline = question.baseline.values[second]
        if candidate is None or baseline is None:
            rows.append(np.nan)
        else:
            rows.append(sign * (candidate - baseline))
    return np.array(rows, dtype=float)


def lost(side: Side, seeds: Sequence[str]) -> list[str]:
    """The seeds of which the runs of a side diverged."""
    return [seed for seed in seeds if side.values[seed] is None]
