"""The claims of guides on pages: in short at the head of summary.md, all of them in claims.md."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actstudy.analysis.page import ledger_tables, template
from actstudy.analysis.questions.ledger_verdicts import FAILS, HOLDS, PARTLY
from actstudy.analysis.tables import Tables
from actstudy.contract import invocation

FIGURES = ("verdicts", "claimed_and_measured")  # of the section
MAX_SURPRISES = 5  # of each kind
SURPRISES = {
    HOLDS: "Held against expectation",
    FAILS: "Did not hold, against expectation",
    PARTLY: "Held only under a condition, against expectation",
}


def section(tables: Tables, figures: Sequence[dict[str, str]]) -> dict[str, Any] | None:
    """What summary.md says of a study's claims; None if it has no ledger. figures: all drawn."""
    claims = tables.frames["claims"]
    if claims.empty:
        return None
    surprises = {}
    for verdict, heading in SURPRISES.items():
        sentences = ledger_tables.surprises(claims, verdict, MAX_SURPRISES)
        if sentences:
            surprises[heading] = sentences
    return {
        "title": f"of {len(claims)} claims {ledger_tables.counted(claims)}",
        "in_short": ledger_tables.in_short(claims),
        "by_topic": ledger_tables.by_topic(claims),
        "headlines": ledger_tables.headlines(claims),
        "surprises": surprises,
        "figures": [figure for figure in figures if figure["name"] in FIGURES],
    }


def render(tables: Tables, figures: Path, page: Path) -> str:
    """The Markdown of all claims of a study, by topic; figures: none is on this page."""
    del figures
    claims = tables.frames["claims"]
    topics = []
    for topic, part in claims.sort_values("id").groupby("topic"):
        topics.append(
            {
                "name": topic,
                "counted": ledger_tables.counted(part),
                "table": ledger_tables.table(part),
                "notes": ledger_tables.notes(part),
                "measurements": ledger_tables.measurements(part),
            }
        )
    folder = tables.plan.ledger["folder"] if tables.plan.ledger else ""
    return template.fill(
        "claims.md.j2",
        tables,
        page,
        in_short=ledger_tables.in_short(claims),
        by_topic=ledger_tables.by_topic(claims),
        topics=topics,
        places=ledger_tables.places(claims),
        again=ledger_tables.again(folder, invocation.program()),
    )
