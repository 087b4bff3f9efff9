"""The claims of guides on pages: in short at the head of summary.md, all of them in claims.md."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actstudy.analysis.markdown import prose
from actstudy.analysis.page import ledger_tables, screens, template
from actstudy.analysis.page.first_screen import drawn
from actstudy.analysis.page.screens import Part
from actstudy.analysis.page.sections import Section
from actstudy.analysis.questions.ledger_verdicts import FAILS, HOLDS, PARTLY
from actstudy.analysis.tables import Tables
from actstudy.contract import invocation

FIGURES = ("verdicts", "claimed_and_measured")  # of the section
MAX_SURPRISES = 5  # of each kind
MAX_HEADLINES = 40  # lines of a screen for the claims that most readers meet
BRACKETS = (
    "In brackets behind a measured value stands its 95% interval; n counts the samples, such as "
    "seeds; *computed*: no sample enters the number."
)
SURPRISES = {
    HOLDS: "Held against expectation",
    FAILS: "Did not hold, against expectation",
    PARTLY: "Held only under a condition, against expectation",
}


def title(tables: Tables) -> str:
    """What came of a study's claims, for the page's title; empty if it has no ledger."""
    claims = tables.frames["claims"]
    if claims.empty:
        return ""
    return f"of {len(claims)} claims {ledger_tables.counted(claims)}"


def head(own: dict[str, Any] | None) -> list[Part]:
    """The parts of the first screen on claims; own: of `section`."""
    if own is None:
        return []
    text = f"## What holds\n\n**{prose(own['in_short'])}**"
    figures = [figure for figure in own["figures"] if figure["name"] == FIGURES[0]]
    return [
        Part("what holds", text, required=True),
        *(Part(f"figure {figure['name']}", drawn(figure)) for figure in figures),
    ]


def claims_section(own: dict[str, Any] | None) -> Section | None:
    """The section of summary.md on claims; own: of `section`."""
    if own is None:
        return None
    parts = []
    if own["headlines"]:
        rows, n_left = screens.first_rows(own["headlines"], MAX_HEADLINES)
        more = f"\n\nThe other {n_left} are in {own['link']}." if n_left else ""
        text = f"### The claims that most readers meet\n\n{BRACKETS}\n\n{rows}{more}"
        parts.append(Part("the claims that most readers meet", text))
    for heading, sentences in own["surprises"].items():
        lines = "\n".join(f"- {prose(sentence)}" for sentence in sentences)
        parts.append(Part(heading[0].lower() + heading[1:], f"### {heading}\n\n{lines}"))
    parts.append(Part("verdicts by topic", f"### Verdicts by topic\n\n{own['by_topic']}"))
    for figure in own["figures"]:
        if figure["name"] != FIGURES[0]:
            parts.append(Part(f"figure {figure['name']}", drawn(figure)))
    every = f"Every claim with its numbers, bounds, device and measurement: {own['link']}."
    parts.append(Part("every claim", every, required=True))
    return Section("The claims", parts)


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
        "link": "[claims.md](claims.md)",
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
