"""The claims of guides against what was measured: a row per claim, and per value behind it."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pandas as pd

from actstudy.analysis.markdown import listed
from actstudy.analysis.questions import ledger_runs, ledger_words
from actstudy.analysis.questions.ledger_verdicts import (
    NOT_MEASURABLE,
    NOT_MEASURED,
    Verdict,
    outcome,
    suits,
    unknown_value,
    unsuitable_bound,
    verdict,
)
from actstudy.analysis.questions.seed_values import Frames
from actstudy.contract import answers, measurements
from actstudy.contract.plan import Plan
from actstudy.study import bounds
from actstudy.study.ledger import requests

CLAIMS = ["id", "topic", "section", "claim", "claimed", "measured", "n_low", "n_high"]
CLAIMS += ["verdict", "detail", "note", "headline", "unexpected", "holds_if"]
CLAIMS += ["group", "kind", "arguments", "device", "versions", "seconds"]
READINGS = ["id", "condition", "name", "value", "low", "high", "n", "unit", "bound", "outcome"]
READINGS += ["shown_on_page", "group", "kind", "arguments", "device", "versions", "seconds"]
Rows = list[dict[str, Any]]
Ledger = Mapping[str, Any]


def tables(plan: Plan, frames: Frames, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables `claims` and `readings` of a study, without rows if it has no ledger.

    frames: its other tables; folder: of measured groups.
    """
    ledger = plan.ledger or {"claims": {}, "files": {}}
    several = stored(ledger, folder) + of_runs(ledger, plan, frames)
    return judged(ledger["claims"], several)


def stored(ledger: Ledger, folder: Path) -> Rows:
    """The answers that groups have left in a folder; of a group without any, why there are none."""
    rows: Rows = []
    for group, name in ledger["files"].items():
        file = folder / name
        if file.is_file():
            rows += pd.read_parquet(file).to_dict("records")
            continue
        absent = {"status": answers.FAILED, "reason": "its group has not been measured yet"}
        if measurements.setting(group, "DEVICE") == "cuda":
            absent = {"status": answers.ABSENT, "reason": "needs a GPU"}
        for kind, arguments in requests(ledger["claims"])[group]:
            rows.append({"group": group, "kind": kind, "arguments": arguments, **absent})
    return rows


def of_runs(ledger: Ledger, plan: Plan, frames: Frames) -> Rows:
    """The answers of a study's own tables."""
    rows: Rows = []
    devices = listed(sorted(frames["runs"].get("device", pd.Series(dtype=str)).dropna().unique()))
    for kind, arguments in requests(ledger["claims"]).get(measurements.RUNS, []):
        tasks = tasks_of(json.loads(arguments))
        absent = [task for task in tasks if task not in plan.tasks]
        began = time.monotonic()
        several = [
            {"status": answers.ABSENT, "reason": f"needs a study with task {listed(absent)}"}
        ]
        if not absent:
            function = cast(answers.Measurement, ledger_runs.MEASUREMENTS[kind])
            several = answers.answer(function, arguments, frames, plan)
        seconds = round(time.monotonic() - began, 3)
        request: dict[str, Any] = {"group": measurements.RUNS, "kind": kind, "arguments": arguments}
        request |= {"device": devices, "seconds": seconds}
        rows += [{**request, **row} for row in several]
    return rows


def tasks_of(arguments: Mapping[str, Any]) -> list[str]:
    """The tasks that a measurement of runs names, as `task` or as `tasks`."""
    names = [arguments.get("task"), *arguments.get("tasks", [])]
    return [str(name) for name in names if name]


def judged(claims: Mapping[str, Any], rows: Rows) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables `claims` and `readings`; rows: answers, columns of ANSWERS."""
    by_request: dict[tuple[str, str], Rows] = {}
    for row in rows:
        by_request.setdefault((row["kind"], row["arguments"]), []).append(row)
    judged_claims = []
    readings: Rows = []
    for key, claim in claims.items():
        own = by_request.get((claim.get("kind"), claim.get("arguments")), [])
        values = [{"id": key, **row, **_judged_value(claim, row)} for row in _values(own)]
        judged_claims.append(_judged_claim(key, claim, own, values))
        readings += values
    claims_frame = pd.DataFrame(judged_claims, columns=CLAIMS)
    return claims_frame, pd.DataFrame(readings, columns=READINGS)


def _values(rows: Rows) -> Rows:
    return [row for row in rows if row["status"] == answers.MEASURED]


def _judged_value(claim: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a value that its claim's bound adds."""
    bound = claim["holds_if"].get(row["name"])
    columns = {"bound": "", "outcome": "", "shown_on_page": row["name"] in names_shown(claim)}
    if bound:
        columns["bound"] = bounds.words(bound)
        if suits(row, bound):
            columns["outcome"] = outcome(row, bounds.range_of(bound))
    return columns


def names_shown(claim: Mapping[str, Any]) -> list[str]:
    """The values of a claim that pages show."""
    return list(claim.get("shows") or claim["holds_if"])


def _judged_claim(key: str, claim: Mapping[str, Any], own: Rows, values: Rows) -> dict[str, Any]:
    """A row of `claims`; own: the answers to its request, values: those with a value, judged."""
    decided = _verdict(claim, own, values)
    stated = {name: claim[name] for name in ("topic", "section", "claim", "claimed")}
    row = {
        "id": key,
        **stated,
        "verdict": decided.verdict,
        "detail": decided.detail,
        "note": claim.get("note", ""),
        "measured": "",
        "headline": claim.get("headline", False),
        "unexpected": claim.get("unexpected", False),
    }
    row |= {name: claim.get(name, "") for name in ("group", "kind", "arguments")}
    several = [f"{name} {bounds.words(bound)}" for name, bound in claim.get("holds_if", {}).items()]
    row["holds_if"] = ", ".join(several)
    if own:
        row |= {name: own[0].get(name) for name in ("device", "versions", "seconds")}
    if decided.verdict == NOT_MEASURED or not values:
        return {**row, "note": claim.get("note", "") if "unmeasurable" in claim else ""}
    names = names_shown(claim)
    on_page = [value for value in values if value["name"] in names]
    row["measured"] = ledger_words.measured(on_page, names)
    row["note"] = ledger_words.fill(row["note"], values)
    sizes = [int(value["n"]) for value in on_page]
    return {**row, "n_low": min(sizes), "n_high": max(sizes)}


def _verdict(claim: Mapping[str, Any], own: Rows, values: Rows) -> Verdict:
    """The verdict on a claim, or why there is none."""
    if "unmeasurable" in claim:
        return Verdict(NOT_MEASURABLE, claim["unmeasurable"])
    if not own:
        return Verdict(NOT_MEASURED, "no answer")
    if not values:
        is_absent = own[0]["status"] == answers.ABSENT
        return Verdict(NOT_MEASURABLE if is_absent else NOT_MEASURED, own[0]["reason"])
    names = {
        "holds_if": [(name, "") for name in claim["holds_if"]],
        "shows": [(name, "") for name in claim.get("shows", [])],
        "note": ledger_words.placeholders(claim.get("note", "")),
    }
    faults = (unknown_value(several, values, where) for where, several in names.items())
    fault = next(filter(None, faults), None) or unsuitable_bound(claim["holds_if"], values)
    return fault or verdict(claim["holds_if"], values)
