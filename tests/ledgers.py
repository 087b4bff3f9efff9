"""Small ledgers, for tests: claims, answers to their requests, and the tables of both."""

import json
import textwrap
from pathlib import Path
from typing import Any

import pandas as pd
from plans import plan_of

from actstudy.analysis.questions import ledger as question
from actstudy.analysis.tables import Tables
from actstudy.contract import answers
from actstudy.contract.reading import Value, exact

CLAIM = """
C1:
  section: "1"
  claim: The slope of ReLU is at most 1
  claimed: "1"
  measure: {slopes: {activation: relu}}
  holds_if: {largest: {equals: 1, within: 0}}
"""
LEDGER = {"folder": "config/guide", "files": {}, "claims": {}}


def folder_of(tmp_path: Path, text: str = CLAIM, name: str = "some_topic_2.yaml") -> Path:
    """A ledger of one file."""
    folder = tmp_path / "guide"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(textwrap.dedent(text))
    return folder


def claim(**fields: Any) -> dict[str, Any]:
    """A claim as a plan holds it: x is at least 1, of measurement `m`."""
    usual = {
        "topic": "a topic",
        "file": "a_topic.yaml",
        "section": "1",
        "claim": "x is large",
        "claimed": "1",
        "group": "curves",
        "kind": "m",
        "arguments": json.dumps({"n": 1}),
        "holds_if": {"x": {"at_least": 1}},
    }
    return {**usual, **fields}


def rows_of(values: dict[str, Any], claimed: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The answer to a claim's request; values: condition -> name -> Value or exact number."""
    claimed = claimed or claim()
    request = {name: claimed[name] for name in ("group", "kind", "arguments")}
    where = {"device": "a CPU", "versions": "torch 1", "seconds": 0.5}
    rows = []
    for condition, by_name in values.items():
        for name, value in by_name.items():
            fields = vars(value if isinstance(value, Value) else exact(value))
            row = {"status": answers.MEASURED, "condition": condition, "name": name}
            rows.append({**request, **where, **row, **fields})
    return rows


def failed(status: str, reason: str) -> list[dict[str, Any]]:
    """The answer to a claim's request that has no value."""
    (row,) = rows_of({"": {"x": 0}})
    return [{**row, "status": status, "reason": reason}]


def judged(values: dict[str, Any], **fields: Any) -> pd.Series:
    """The row of `claims` of a claim with those fields."""
    stated = claim(**fields)
    claims, _ = question.judged({"C1": stated}, rows_of(values, stated))
    return claims.iloc[0]


def tables_of(claims: dict[str, Any], rows: list[dict[str, Any]]) -> Tables:
    """Tables of a study that has these claims, and no others."""
    claim_frame, readings = question.judged(claims, rows)
    plan = plan_of(ledger={**LEDGER, "claims": claims})
    return Tables(plan, {"claims": claim_frame, "readings": readings})


def several() -> Tables:
    """Tables with a claim of each verdict, of two topics."""
    wide = Value(1.0, 0.9, 1.1, 8)
    narrow = Value(2.0, 1.9, 2.1, 20)
    answered = {
        "holds": {"": {"x": narrow}},
        "fails": {"": {"x": 0.5}},
        "partly": {"xavier": {"x": narrow}, "he": {"x": 0.1}},
        "open": {"": {"x": wide}},
    }
    claims = {}
    rows = []
    for index, (name, values) in enumerate(answered.items()):
        own = claim(
            claim=f"Claim that {name} <b>",
            arguments=json.dumps({"n": index}),
            headline=True,
            unexpected=name in ("holds", "fails"),
            note="It is {x}.",
            topic="one topic" if index % 2 else "other topic",
            holds_if={"x": {"equals": 2, "within_percent": 50}},
        )
        claims[name] = own
        rows += rows_of(values, own)
    claims["lost"] = claim(arguments='{"n": 9}')
    rows += [{**failed(answers.FAILED, "KeyError: 'y'")[0], "arguments": '{"n": 9}'}]
    absent = claim(unmeasurable="no detector")
    for name in ("group", "kind", "arguments", "holds_if"):
        del absent[name]
    claims["absent"] = absent
    return tables_of(claims, rows)
