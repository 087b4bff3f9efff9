"""What a ledger knows of baselines: the values of their runs, and which change was kept last.

A kept candidate becomes the next baseline: it has its settings then, without a name or a change of
code, which has landed. So one description may stand for several things in turn (with changes of
code the settings stay as they are), and each of them is known by its values.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from actstudy.contract.errors import StudyError
from actstudy.judging.gate.decision import KEEP
from actstudy.judging.gate.ledger import Line
from actstudy.judging.gate.proposals import Side, Values

ATTEMPT = "attempt"  # kind of a line: an attempt judged


@dataclass
class Known:
    """Runs that were baselines, or may be since they were kept: seed -> value, and in which line.

    attempts: of which it is the baseline. kept_line: that with which it was kept, None if it is the
    baseline of the first attempt. has_key: whether it has the key that is asked for; if not, it is
    known by its values alone.
    """

    values: Values = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    attempts: set[int] = field(default_factory=set)
    kept_line: int | None = None
    has_key: bool = True

    def add(self, values: Values, number: int) -> None:
        """Adds runs of a line; the first value of a seed stays."""
        for seed, value in values.items():
            if seed not in self.values:
                self.values[seed] = value
                self.lines[seed] = number

    def common(self, values: Values) -> int:
        """How many seeds are the same, with the same value."""
        return sum(seed in self.values and self.values[seed] == values[seed] for seed in values)

    def edited(self, values: Values) -> list[str]:
        """The seeds of which the value is another one now."""
        return [seed for seed in values if self.values.get(seed, values[seed]) != values[seed]]

    def may_be(self, values: Values) -> bool:
        """Whether runs may be these: no value is another one, and without the key one is equal."""
        return not self.edited(values) and (self.has_key or self.common(values) > 0)


def landed(side: dict[str, dict[str, str]]) -> str:
    """The key that a recorded candidate has once it was kept: of its settings alone."""
    return Side("", {}, side["settings"]).key


def known_of(lines: Sequence[Line], key: str) -> list[Known]:
    """What may have a key, in the order in which it came to be; key: of a baseline.

    It is what had it, and every kept candidate.
    """
    every: list[Known] = []
    by_attempt: dict[int, Known] = {}
    for line in lines:
        if line["kind"] != ATTEMPT:
            continue
        if line["baseline"]["key"] == key:
            values = line["baseline"]["values"]
            own = next((each for each in every if line["attempt"] in each.attempts), None)
            own = own or nearest(every, values)
            if own is None:
                own = Known()
                every.append(own)
            own.has_key = True
            own.attempts.add(line["attempt"])
            own.add(values, line["line"])
        if line["verdict"] == KEEP:
            own = by_attempt.get(line["attempt"])
            if own is None:
                own = Known(kept_line=line["line"])
                own.has_key = landed(line["candidate"]) == key
                by_attempt[line["attempt"]] = own
                every.append(own)
            own.add(line["candidate"]["values"], line["line"])
    return every


def nearest(every: Sequence[Known], values: Values) -> Known | None:
    """What runs are of: none of their values is another, and most seeds are the same; the latest.

    None if all have other values.
    """
    fitting = [each for each in every if each.may_be(values)]
    return max(reversed(fitting), key=lambda each: each.common(values), default=None)


def check(baseline: Side, lines: Sequence[Line]) -> None:
    """StudyError, naming the run, if runs of a baseline have other values than the ledger has."""
    every = known_of(lines, baseline.key)
    had_key = [known for known in every if known.has_key]
    if not had_key or nearest(every, baseline.values) is not None:
        return
    meant = max(reversed(had_key), key=lambda known: known.common(baseline.values))
    seed = meant.edited(baseline.values)[0]
    raise StudyError(
        f"{baseline.source}: baseline: seed {seed}: got {baseline.values[seed]}, but "
        f"{meant.values[seed]} in line {meant.lines[seed]}; a run that is repeated is no new run; "
        "allowed: its first value, or a column that says what else changed (such as commit)"
    )


def missing_change(baseline: Side, lines: Sequence[Line]) -> int | None:
    """The line of the last change that was kept, if the baseline is not known to have it.

    It has it if it is the kept candidate, by its settings and values, or shares a value with it.
    """
    last = None
    for line in lines:
        if line["kind"] == ATTEMPT and line["verdict"] == KEEP:
            last = line
    if last is None:
        return None
    own = Known()
    own.add(last["candidate"]["values"], last["line"])
    if own.common(baseline.values):
        return None
    meant = nearest(known_of(lines, baseline.key), baseline.values)
    was_kept = meant is not None and meant.kept_line is not None
    is_it = was_kept and landed(last["candidate"]) == baseline.key
    return None if is_it else int(last["line"])
