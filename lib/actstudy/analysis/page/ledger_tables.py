"""The claims of a ledger as sentences and tables of a page: claimed against measured."""

import json
import textwrap
from collections.abc import Mapping
from typing import Any

import pandas as pd

from actstudy.analysis.markdown import code, listed, markdown
from actstudy.analysis.questions import ledger_words
from actstudy.analysis.questions.ledger_verdicts import (
    DECIDED,
    FAILS,
    HOLDS,
    NOT_MEASURABLE,
    NOT_MEASURED,
    PARTLY,
    UNDECIDED,
    VERDICTS,
    Verdict,
)
from actstudy.contract.errors import visible

Row = Mapping[str, Any]
COUNTED = {  # verdict -> what is said of the claims that have it: of one, of several
    HOLDS: ("holds", "hold"),
    PARTLY: ("holds only under a condition", "hold only under a condition"),
    FAILS: ("does not hold", "do not hold"),
    UNDECIDED: ("is undecided", "are undecided"),
}
NONE = "-"
MAX_WORDS = 160  # characters of a cell at the head of summary.md


def counts(claims: pd.DataFrame) -> dict[str, int]:
    """Verdict -> the number of claims that have it, in the order of VERDICTS, 0 for none."""
    by_verdict = claims["verdict"].value_counts()
    return {verdict: int(by_verdict.get(verdict, 0)) for verdict in VERDICTS}


def counted(claims: pd.DataFrame) -> str:
    """`96 hold, 14 hold only under a condition, 61 do not hold and 9 are undecided`."""
    parts = []
    for verdict, n in counts(claims).items():
        if n and verdict in COUNTED:
            parts.append(f"{n} {COUNTED[verdict][n > 1]}")
    return listed(parts) or "none is measured"


def in_short(claims: pd.DataFrame) -> str:
    """The sentences at the head of a page: how many claims were measured, and what came of it."""
    n = counts(claims)
    is_measured = ~claims["verdict"].isin([NOT_MEASURABLE, NOT_MEASURED])
    text = f"Of {len(claims)} claims {is_measured.sum()} were measured: {counted(claims)}."
    if n[NOT_MEASURABLE]:
        text += f" {n[NOT_MEASURABLE]} cannot be measured here, each with its reason."
    if n[NOT_MEASURED]:
        text += f" {n[NOT_MEASURED]} were not measured, each with its reason."
    return text


def by_topic(claims: pd.DataFrame) -> str:
    """A table of verdicts per topic, the verdicts that no claim has left out; last all topics."""
    total = counts(claims)
    verdicts = [verdict for verdict in VERDICTS if total[verdict]]
    parts = [(str(topic), part) for topic, part in claims.groupby("topic", sort=False)]
    parts.sort(key=lambda named: -len(named[1]))
    rows = []
    for topic, part in [*parts, ("all", claims)]:
        n = counts(part)
        row = {"topic": topic, "claims": len(part)}
        rows.append({**row, **{verdict: n[verdict] or NONE for verdict in verdicts}})
    return markdown(rows)


def table(claims: pd.DataFrame) -> str:
    """Claims as a Markdown table."""
    rows = []
    for row in claims.to_dict("records"):
        rows.append({"id": row["id"], "section": row["section"], **claim_row(row)})
    return markdown(rows)


def headlines(claims: pd.DataFrame) -> str:
    """The claims that most readers meet as a Markdown table by verdict, the longest values cut."""
    marked = claims[claims["headline"]]
    order = marked["verdict"].map(VERDICTS.index).sort_values(kind="stable").index
    rows = []
    for row in marked.loc[order].to_dict("records"):
        columns = claim_row(row)
        for name in ("measured", "verdict"):
            columns[name] = textwrap.shorten(columns[name], MAX_WORDS, placeholder=" ...")
        rows.append(columns)
    return markdown(rows, without="")


def plain(claims: pd.DataFrame) -> str:
    """Claims as text for a terminal: what is claimed, what was measured, when it holds."""
    blocks = []
    for row in claims.to_dict("records"):
        columns = claim_row(row)
        lines = [
            f"{row['id']}: {columns['verdict']}",
            f"{columns['claim']} (section {row['section']})",
            f"claimed:  {columns['claimed']}",
        ]
        if row["measured"]:
            lines.append(f"measured: {columns['measured']}; n: {columns['n']}")
        if row["holds_if"]:
            lines.append(f"holds if: {row['holds_if']}")
        if row["note"]:
            lines.append(row["note"])
        blocks.append("\n      ".join(map(visible, lines)))
    if len(blocks) > 1:
        blocks.append(in_short(claims))
    return "\n\n".join(blocks)


def claim_row(row: Row) -> dict[str, Any]:
    """A claim as a row: claim, claimed, measured, n, verdict."""
    return {
        "claim": row["claim"],
        "claimed": row["claimed"],
        "measured": row["measured"] or NONE,
        "n": n_of(row),
        "verdict": str(Verdict(row["verdict"], row["detail"])),
    }


def n_of(row: Row) -> str:
    """How many samples are behind a claim's values."""
    if not row["measured"]:
        return NONE
    return ledger_words.n_words(int(row["n_low"]), int(row["n_high"]))


def surprises(claims: pd.DataFrame, verdict: str, limit: int) -> list[str]:
    """A sentence per claim of a verdict against expectation, the first of them, with its note."""
    sentences = []
    marked = claims[claims["unexpected"] & (claims["verdict"] == verdict)]
    for row in marked.head(limit).to_dict("records"):
        n = n_of(row)
        size = f" (n = {n})" if n != ledger_words.COMPUTED else ""
        numbers = f"claimed {row['claimed']}, measured {row['measured']}{size}"
        sentences.append(f"{row['claim']} ({row['id']}): {numbers}. {row['note']}")
    return sentences


def notes(claims: pd.DataFrame) -> list[str]:
    """The notes of claims, each with its id."""
    with_note = claims[claims["note"] != ""]
    return [f"{row['id']}: {row['note']}" for row in with_note.to_dict("records")]


def measurements(claims: pd.DataFrame) -> str:
    """How each claim is measured: kind, arguments, bounds, and the seconds that it took."""
    rows = []
    for row in claims[claims["kind"] != ""].to_dict("records"):
        seconds = row["seconds"]
        columns = {"id": row["id"], "group": row["group"], "measurement": call(row)}
        columns["holds if"] = row["holds_if"]
        rows.append({**columns, "seconds": NONE if pd.isna(seconds) else f"{seconds:.1f}"})
    return markdown(rows, without="None.")


def call(row: Row) -> str:
    """A measurement as it is called: `slopes(activation="relu")`."""
    arguments = json.loads(row["arguments"])
    words = [f"{name}={json.dumps(value)}" for name, value in arguments.items()]
    return f"{row['kind']}({', '.join(words)})"


def places(claims: pd.DataFrame) -> str:
    """A row per group of measurements: where it was measured, with what, and how long it took."""
    rows = []
    done = claims[claims["verdict"].isin([*DECIDED, UNDECIDED])]
    for group, part in done.groupby("group", sort=False):
        requests = part.drop_duplicates(["kind", "arguments"])
        rows.append(
            {
                "group": group,
                "claims": len(part),
                "device": listed(sorted(set(part["device"].dropna()))),
                "versions": listed(sorted(set(part["versions"].dropna()))) or NONE,
                "seconds": f"{requests['seconds'].sum():.1f}",
            }
        )
    return markdown(rows, without="Nothing was measured.")


def again(folder: str, program: str) -> str:
    """The command that measures a claim again, as code."""
    return code(f"{program} measure ID --ledger {folder}")
