"""What a run's health means, in words: the rules of rules.yaml applied to its readings."""

import dataclasses
import functools
import itertools
import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from actstudy.advice import causes, context
from actstudy.advice.readings import DERIVED_FROM, read_run
from actstudy.advice.series import FROM_SETTINGS, Row, Series

SEVERITIES = ("note", "warning", "error")
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same in C, if it is there
Places = Mapping[str, Mapping[int, float]]  # place -> step -> value


@dataclass(frozen=True)
class Rule:
    """A finding if a reading lies outside `low` to `high`, in a model that fits.

    check: the item of the checklist that it belongs to; at: `any` step, the `last`, or in the
    `median` over steps; when, unless: words of context.py; remedies: names of rules.yaml's;
    follows_from: rule -> scope of causes.py.
    """

    name: str
    check: str
    severity: str
    reading: tuple[str, str]  # kind, probe
    symptom: str  # with {value} and {place}
    source: str
    remedies: tuple[str, ...]
    low: float = -math.inf
    high: float = math.inf
    at: str = "any"
    when: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    follows_from: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def outside(self, value: float) -> float:
        """How far a value lies outside, as a log ratio to a nonzero bound; below 0 if inside."""
        if value < self.low:
            return math.log(self.low / value) if value > 0 else math.inf
        if value > self.high:
            return math.log(value / self.high) if self.high > 0 else value - self.high
        return -1.0


class Remedy(NamedTuple):
    """What may help: `run` in a study's keys, `own` in PyTorch's terms; "" if it does not there."""

    run: str = ""
    own: str = ""
    when: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()

    def text(self, known: frozenset[str]) -> str:
        """Its words in a model of which these words of context.py are known; "" if none fit."""
        if not context.fits(self.when, self.unless, known):
            return ""
        return self.run if "run" in known else self.own


@dataclass(frozen=True)
class Finding:
    """A rule that holds in a run: its worst value, where and when, and in how many places."""

    rule: str
    severity: str
    value: float
    place: str
    step: int  # of that value; -1: from settings
    places: int
    text: str
    remedies: tuple[str, ...]
    first: int  # the first step at which it held
    cause: str = ""  # the rule of the finding that it is the likely consequence of


class Advice(NamedTuple):
    """The findings of a run, each cause followed by its consequences, and what they rest on."""

    findings: list[Finding]
    series: Series
    known: frozenset[str]  # words of context.py


@functools.cache
def contents() -> dict[str, Any]:
    """rules.yaml: its `checks`, `remedies` and `rules`."""
    text = Path(__file__).with_name("rules.yaml").read_text(encoding="utf-8")
    entries: dict[str, Any] = yaml.load(text, LOADER)  # noqa: S506 - both loaders are safe ones
    return entries


@functools.cache
def remedies() -> dict[str, Remedy]:
    """Name -> remedy."""
    return {name: Remedy(**entry) for name, entry in contents()["remedies"].items()}


@functools.cache
def rules() -> tuple[Rule, ...]:
    """The rules, in the order of the file."""
    return tuple(
        Rule(**entry | {"reading": tuple(entry["reading"])}) for entry in contents()["rules"]
    )


@functools.cache
def read_by_rules() -> frozenset[str]:
    """The probes that rules read or that readings are derived from; other rows are ignored."""
    return frozenset({*DERIVED_FROM, *(rule.reading[1] for rule in rules())})


def advise(health: Iterable[Row], curves: Iterable[Row], facts: Row) -> list[Finding]:
    """The findings of a run, the most severe cause first, each followed by its consequences.

    health: rows with step, kind, name, probe, value; curves: with step, epoch, split, metric,
    value; facts: what is known of the run, as its row of `runs`; each field may be missing.
    """
    return examine(health, curves, facts).findings


def examine(
    health: Iterable[Row],
    curves: Iterable[Row],
    facts: Row,
    labels: Mapping[str, str] | None = None,
) -> Advice:
    """The findings and what they rest on; labels: place -> how it is called in their text."""
    fact_names = dict.fromkeys(rule.reading[1] for rule in rules() if rule.reading[0] == "fact")
    series = read_run(health, curves, facts, read_by_rules(), fact_names)
    known = context.words(facts)
    holding: dict[str, tuple[Rule, Finding]] = {}
    for rule in rules():  # the more severe rule of a name comes later
        finding = None
        if context.fits(rule.when, rule.unless, known):
            finding = _apply(rule, series.get(rule.reading, {}), known, labels or {})
        if finding:
            holding[rule.name] = (rule, finding)
    return Advice(_in_order(_with_causes(holding, series)), series, known)


def labelled(place: str, labels: Mapping[str, str]) -> str:
    """How a place is called: `relu (ReLU)`, and of a site's second call `relu (ReLU)#2`."""
    name, mark, call = place.partition("#")
    return f"{labels.get(name, name)}{mark}{call}"


def _with_causes(holding: Mapping[str, tuple[Rule, Finding]], series: Series) -> list[Finding]:
    """Findings in the order of the file, each with the cause that its chain of causes ends in."""
    order = list(series.get(("site", "post_sd"), ()))
    effects = {}
    for name, (rule, finding) in holding.items():
        places = [place for place, _ in _outside(rule, series.get(rule.reading, {}))]
        effects[name] = causes.Effect(
            finding.first, finding.place, finding.value, places, rule.follows_from
        )
    roots = causes.roots(effects, order)
    caused = []
    for name, (_, finding) in holding.items():
        cause = roots[name] if roots[name] != name else ""
        caused.append(dataclasses.replace(finding, cause=cause))
    return caused


def _in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Causes by the severest finding of theirs, each followed by its consequences over time."""
    families: dict[str, list[Finding]] = {}
    for finding in findings:
        families.setdefault(finding.cause or finding.rule, []).append(finding)
    for family in families.values():
        family.sort(key=lambda finding: (bool(finding.cause), _begin(finding)))
    by_severity = sorted(families.values(), key=lambda family: -max(map(_rank, family)))
    return list(itertools.chain.from_iterable(by_severity))


def _rank(finding: Finding) -> int:
    return SEVERITIES.index(finding.severity)


def _begin(finding: Finding) -> float:
    """The step at which a consequence begins; what no step is known of comes last."""
    return finding.first if finding.first >= 0 else math.inf


def _outside(rule: Rule, places: Places) -> list[tuple[str, tuple[int, float]]]:
    """The places in which a rule holds, each with the step and value by which it is judged."""
    judged = [(place, _judged(rule, values)) for place, values in places.items()]
    return [(place, reading) for place, reading in judged if rule.outside(reading[1]) > 0]


def _apply(
    rule: Rule, places: Places, known: frozenset[str], labels: Mapping[str, str]
) -> Finding | None:
    """The finding of a rule in a reading's places, if it holds."""
    outside = _outside(rule, places)
    if not outside:
        return None
    place, (step, value) = max(outside, key=lambda item: rule.outside(item[1][1]))
    first = min(_first(rule, places[name]) for name, _ in outside)
    if first == 0:
        known = known | {context.AT_START}
    texts = [remedies()[name].text(known) for name in rule.remedies]
    fitting = tuple(dict.fromkeys(words for words in texts if words))
    text = rule.symptom.format(value=value, place=labelled(place, labels))
    return Finding(rule.name, rule.severity, value, place, step, len(outside), text, fitting, first)


def _first(rule: Rule, value_by_step: Mapping[int, float]) -> int:
    """The first step whose value lies outside."""
    steps = [step for step, value in value_by_step.items() if rule.outside(value) > 0]
    return min(steps, default=FROM_SETTINGS)


def _judged(rule: Rule, value_by_step: Mapping[int, float]) -> tuple[int, float]:
    """The step and value by which a rule judges a place."""
    if rule.at == "any":
        return max(value_by_step.items(), key=lambda item: rule.outside(item[1]))
    last = max(value_by_step)
    if rule.at == "last":
        return last, value_by_step[last]
    return last, statistics.median(value_by_step.values())
