"""What a run's health means, in words: the rules of rules.yaml applied to its readings."""

import functools
import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from actstudy.advice.readings import DERIVED_FROM, Row, read_run

SEVERITIES = ("note", "warning", "error")


@dataclass(frozen=True)
class Rule:
    """A finding if a reading lies outside `low` to `high`.

    at: `any` step, the `last`, or in the `median` over steps; unless: a rule that, if it holds, is
    the cause, so that this one is silent.
    """

    name: str
    severity: str
    reading: tuple[str, str]  # kind, probe
    symptom: str  # with {value} and {place}
    source: str
    remedies: tuple[str, ...]
    low: float = -math.inf
    high: float = math.inf
    at: str = "any"
    unless: str = ""

    def outside(self, value: float) -> float:
        """How far a value lies outside, as a log ratio to a nonzero bound; below 0 if inside."""
        if value < self.low:
            return math.log(self.low / value) if value > 0 else math.inf
        if value > self.high:
            return math.log(value / self.high) if self.high > 0 else value - self.high
        return -1.0


@dataclass(frozen=True)
class Finding:
    """A rule that holds in a run: its worst value, where and when, and in how many places."""

    rule: str
    severity: str
    value: float
    place: str
    step: int  # -1: from settings
    places: int
    text: str
    remedies: tuple[str, ...]


@functools.cache
def rules() -> tuple[Rule, ...]:
    """The rules, in the order of the file."""
    text = Path(__file__).with_name("rules.yaml").read_text(encoding="utf-8")
    entries: list[dict[str, Any]] = yaml.safe_load(text)
    for entry in entries:
        entry["reading"] = tuple(entry["reading"])
        entry["remedies"] = tuple(entry["remedies"])
    return tuple(Rule(**entry) for entry in entries)


@functools.cache
def read_by_rules() -> frozenset[str]:
    """The probes that rules read or that readings are derived from; other rows are ignored."""
    return frozenset({*DERIVED_FROM, *(rule.reading[1] for rule in rules())})


def advise(health: Iterable[Row], curves: Iterable[Row], facts: Row) -> list[Finding]:
    """The findings of a run, the most severe first.

    health: rows with step, kind, name, probe, value; curves: with step, epoch, split, metric,
    value; facts: what is known of the run, as its row of `runs`; each field may be missing.
    """
    fact_names = dict.fromkeys(rule.reading[1] for rule in rules() if rule.reading[0] == "fact")
    series = read_run(health, curves, facts, read_by_rules(), fact_names)
    finding_by_rule = {}
    for rule in rules():
        finding = _apply(rule, series.get(rule.reading, {}))
        if finding and rule.unless not in finding_by_rule:
            finding_by_rule[rule.name] = finding  # the more severe rule of a name comes later
    findings = finding_by_rule.values()
    return sorted(findings, key=lambda finding: -SEVERITIES.index(finding.severity))


def format_findings(findings: Iterable[Finding]) -> str:
    """Findings as text, two lines each: what, how often and since when; what helps."""
    lines = []
    for finding in findings:
        line = f"{finding.severity}: {finding.text}"
        if finding.places > 1:
            line += f" (and {finding.places - 1} more)"
        if finding.step >= 0:
            line += f", step {finding.step}"
        lines.append(f"{line}  [{finding.rule}]\n    try: {'; '.join(finding.remedies)}")
    return "\n".join(lines) or "nothing found"


def _apply(rule: Rule, places: Mapping[str, Mapping[int, float]]) -> Finding | None:
    """The finding of a rule in a reading's places (place -> step -> value), if it holds."""
    n_outside = 0
    worst = 0.0
    worst_place: tuple[str, int, float] | None = None
    for place, value_by_step in places.items():
        step, value = _judged(rule, value_by_step)
        distance = rule.outside(value)
        if distance > 0:
            n_outside += 1
        if distance > worst:
            worst = distance
            worst_place = (place, step, value)
    if worst_place is None:
        return None
    place, step, value = worst_place
    text = rule.symptom.format(value=value, place=place)
    return Finding(rule.name, rule.severity, value, place, step, n_outside, text, rule.remedies)


def _judged(rule: Rule, value_by_step: Mapping[int, float]) -> tuple[int, float]:
    """The step and value by which a rule judges a place."""
    if rule.at == "any":
        return max(value_by_step.items(), key=lambda item: rule.outside(item[1]))
    last = max(value_by_step)
    if rule.at == "last":
        return last, value_by_step[last]
    return last, statistics.median(value_by_step.values())
