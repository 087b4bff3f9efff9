"""What a run's health means, in words: the rules of rules.yaml against its probes, curves and settings."""

import functools
import json
import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from actstudy.contract import store

SEVERITIES = ("note", "warning", "error")
SATURATING = ("sigmoid", "tanh", "softsign", "hardtanh")
DERIVED_FROM = ("dead_fraction", "zero_fraction", "post_sd", "update_ratio", "loss_scale")
Row = Mapping[str, Any]
Reading = tuple[str, str, str, int, float]  # kind, probe, place, step, value


@dataclass(frozen=True)
class Rule:
    """A finding where a reading lies outside `low` to `high`: at any step, the last, or in the median over steps."""

    name: str
    severity: str
    reading: tuple[str, str]  # kind, probe
    symptom: str  # with {value} and {place}
    source: str
    remedies: tuple[str, ...]
    low: float = -math.inf
    high: float = math.inf
    at: str = "any"

    def outside(self, value: float) -> float:
        """How far a value lies outside, as a log ratio to a bound that is not zero; below zero where it does not."""
        if value < self.low:
            return math.log(self.low / value) if value > 0 else math.inf
        if value > self.high:
            return math.log(value / self.high) if self.high > 0 else value - self.high
        return -1.0


@dataclass(frozen=True)
class Finding:
    """A rule that spoke: the worst value, where and when (step -1: from settings), and in how many places."""

    rule: str
    severity: str
    value: float
    place: str
    step: int
    places: int
    text: str
    remedies: tuple[str, ...]


@functools.cache
def rules() -> tuple[Rule, ...]:
    """The rules, in the order of the file."""
    entries: list[dict[str, Any]] = yaml.safe_load(
        Path(__file__).with_name("rules.yaml").read_text(encoding="utf-8")
    )
    tupled = [
        {key: tuple(v) if isinstance(v, list) else v for key, v in entry.items()}
        for entry in entries
    ]
    return tuple(Rule(**entry) for entry in tupled)  # type: ignore[arg-type]  # a test checks the file


@functools.cache
def read_by_rules() -> frozenset[str]:
    """The probes that rules read or that readings are derived from; other rows are passed over."""
    return frozenset({*DERIVED_FROM, *(rule.reading[1] for rule in rules())})


def advise(health: Iterable[Row], curves: Iterable[Row], facts: Row) -> list[Finding]:
    """What the rules find, the worst first.

    health: rows with step, kind, name, probe, value; curves: with step, epoch, split, metric, value; facts: what is
    known of the run, as its row of `runs`, each field of which may be missing.
    """
    readings = [
        (row["kind"], row["probe"], row["name"], int(row["step"]), float(row["value"]))
        for row in health
        if row["probe"] in read_by_rules()
    ]
    losses = [row for row in curves if row["metric"] == "loss"]
    series: dict[tuple[str, str], dict[str, dict[int, float]]] = {}
    for kind, probe, place, step, value in [*readings, *_derived(readings), *_of_curves(losses)]:
        if not math.isnan(value):
            series.setdefault((kind, probe), {}).setdefault(place, {})[step] = value
    for kind, probe, place, step, value in _of_settings(facts, losses, series):
        series.setdefault((kind, probe), {})[place] = {step: value}
    found = {}
    for rule in rules():
        if finding := _applied(rule, series.get(rule.reading, {})):
            found[rule.name] = finding  # of one name the more severe comes later
    return sorted(found.values(), key=lambda finding: -SEVERITIES.index(finding.severity))


def told(findings: Iterable[Finding]) -> str:
    """Findings as text, two lines each: what, how often and since when; what helps."""
    lines = [
        f"{one.severity}: {one.text}"
        + (f" (and {one.places - 1} more)" if one.places > 1 else "")
        + (f", step {one.step}" if one.step >= 0 else "")
        + f"  [{one.rule}]\n    try: {'; '.join(one.remedies)}"
        for one in findings
    ]
    return "\n".join(lines) or "nothing found"


def of_run(folder: Path) -> list[Finding]:
    """What the rules find in a run that has ended; Damaged where its folder does not verify."""
    health, curves, runs = (
        table.to_pylist() for table in store.read(folder, "health", "curves", "runs")
    )
    return advise(health, curves, runs[0])


def _applied(rule: Rule, places: Mapping[str, Mapping[int, float]]) -> Finding | None:
    judged = [(*_judged(rule, steps), place) for place, steps in places.items()]
    outside = [one for one in judged if rule.outside(one[1]) > 0]
    if not outside:
        return None
    step, value, place = max(outside, key=lambda one: rule.outside(one[1]))
    text = rule.symptom.format(value=value, place=place)
    return Finding(rule.name, rule.severity, value, place, step, len(outside), text, rule.remedies)


def _judged(rule: Rule, steps: Mapping[int, float]) -> tuple[int, float]:
    """The step and value that a rule judges a place by."""
    if rule.at == "any":
        return max(steps.items(), key=lambda item: rule.outside(item[1]))
    return max(steps), steps[max(steps)] if rule.at == "last" else statistics.median(steps.values())


def _derived(readings: Iterable[Reading]) -> list[Reading]:
    """Readings that several rows make together: dead units, the median update, what is left of the loss scale."""
    by: dict[str, dict[tuple[str, int], float]] = {probe: {} for probe in DERIVED_FROM}
    for _, probe, place, step, value in readings:
        if probe in by:
            by[probe][place, step] = value
    made = _of_dead(by["dead_fraction"], by["zero_fraction"])
    stepped = {
        step for (_, step), value in by["update_ratio"].items() if value > 0
    }  # others only gathered gradients
    ratios: dict[int, list[float]] = {}
    for (place, step), value in by["update_ratio"].items():
        if place.endswith("weight") and step in stepped and math.isfinite(value):
            ratios.setdefault(step, []).append(value)
    made += [
        ("model", "update_ratio", "model", step, statistics.median(found))
        for step, found in ratios.items()
    ]
    scales = [
        value for _, value in sorted((step, value) for (_, step), value in by["loss_scale"].items())
    ]
    if scales:
        made.append(("model", "loss_scale_kept", "model", 0, scales[-1] / scales[0]))
    return made


def _of_dead(
    never_positive: Mapping[tuple[str, int], float], zero: Mapping[tuple[str, int], float]
) -> list[Reading]:
    """Shares of dead units, which give zeros: a tanh that never is above zero is not dead.

    A place that the rule dead_from_start speaks of has no other reading: it was dead from step 0 on, whenever read.
    """
    born = next(rule.high for rule in rules() if rule.name == "dead_from_start")
    places: dict[str, dict[int, float]] = {}
    for (place, step), value in never_positive.items():
        places.setdefault(place, {})[step] = min(value, zero.get((place, step), 0.0))
    made: list[Reading] = []
    for place, steps in places.items():
        last = max(steps)
        kept = min(steps.values()) if 0 in steps else 0.0
        if last > 0 and kept > born:
            made.append(("site", "dead_from_start", place, last, kept))
        else:
            made += [("site", "dead", place, step, value) for step, value in steps.items()]
    return made


def _of_curves(losses: Iterable[Row]) -> list[Reading]:
    made: list[Reading] = [
        ("curve", "loss", row["split"], int(row["step"]), float(row["value"])) for row in losses
    ]
    made += [
        ("curve", "loss_nonfinite", split, at, 1.0)
        for _, _, split, at, v in made
        if not math.isfinite(v)
    ]
    train = sorted(
        (step, value)
        for _, probe, split, step, value in made
        if (probe, split) == ("loss", "train")
    )
    if len(train) > 1 and math.isfinite(train[0][1]) and train[0][1] > 0:
        made.append(("curve", "loss_kept", "train", train[-1][0], train[-1][1] / train[0][1]))
    return made


def _of_settings(
    facts: Row, losses: list[Row], series: Mapping[tuple[str, str], Any]
) -> list[Reading]:
    """Readings that settings make, alone or with what was seen."""
    wanted = dict.fromkeys(rule.reading[1] for rule in rules() if rule.reading[0] == "fact")
    known = {name: float(facts[name]) for name in wanted if facts.get(name) is not None}
    made: list[Reading] = [
        ("fact", k, k, -1, math.inf if math.isnan(v) else v) for k, v in known.items()
    ]
    if facts.get("status") == "diverged":
        made.append(("fact", "diverged", "run", -1, 1.0))
    plain = (
        facts.get("norm") == "none" and facts.get("task", "mlp") == "mlp"
    )  # other models bring norms of their own
    if facts.get("activation") in SATURATING and plain:
        made.append(
            (
                "fact",
                "saturating_sites",
                facts["activation"],
                -1,
                float(len(series.get(("site", "post_sd"), ()))),
            )
        )
    first = series.get(("model", "update_ratio"), {}).get("model", {}).get(0, 0.0)
    per_epoch = [row["step"] / row["epoch"] for row in losses if row.get("epoch")]
    if (
        facts.get("optimizer") in ("adam", "adamw")
        and "betas" in facts
        and per_epoch
        and first > 1e-2
    ):
        betas = (
            json.loads(facts["betas"]) if isinstance(facts["betas"], str) else facts["betas"]
        )  # text in `runs`
        steps = facts["warmup"] * statistics.median(per_epoch)
        made.append(("fact", "warmup_share", "warmup", -1, float(steps * (1 - betas[1]) / 2)))
    return made
