"""Checks of published tables in words: which tests their rows fit, and what fits none."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from actstudy.analysis.markdown import prose
from actstudy.analysis.questions.published import FITS, NEITHER
from actstudy.analysis.questions.published_readings import DEPARTURES
from actstudy.study.replication import PublishedFile

WORDS = {
    "pooled and Welch": "fit the pooled and Welch's test",
    "pooled alone": "fit the pooled test alone",
    "Welch alone": "fit Welch's test alone",
    "neither": "fit neither the pooled nor Welch's test",
    "nothing printed": "print nothing to check",
}
ASSUMED = (
    "Assumed: unpaired runs, two-sided p, sd with n - 1 as divisor, digits rounded. Paired tests "
    "and rank tests cannot be recomputed from means and sds: a row for which one is not excluded "
    "is not shown to be wrong."
)
IMPOSSIBLE = "cannot be as printed by any of the readings below, nor by a paired or a rank test"


def published_section(source: PublishedFile, table: pd.DataFrame) -> str:
    """The Markdown of a published table's check; table: `published.check` of its rows."""
    counts = table["fits"].value_counts()
    parts = [f"{counts[fits]} {WORDS[fits]}" for fits in FITS if fits in counts]
    head = f"{source.source}; baseline {source.baseline}, n = {source.n}. "
    head += f"Of {len(table)} rows {', '.join(parts)}."
    bad = table[table["fits"] == NEITHER]
    sections = [prose(head)]
    if len(bad):
        sections += [fault_section(row) for row in bad.to_dict("records")]
        tried = ", ".join(DEPARTURES)
        sections.append(prose(f"Readings tried beside the pooled and Welch's test: {tried}."))
    sections.append(prose(ASSUMED))
    return "\n\n".join(sections)


def fault_section(row: Mapping[str, Any]) -> str:
    """A row that fits neither test: why not, a line per reason, and what it would fit."""
    would_fit = row["would_fit"]
    if not would_fit and row["not_excluded"]:
        would_fit = f"nothing that can be recomputed; not excluded: {row['not_excluded']}"
    reasons = [f"- {prose(reason)}" for reason in row["inconsistent"].split("; ")]
    head = f"{row['name']}, difference {row['difference']:+.4g}, fits neither test:"
    end = f"It would fit: {would_fit}." if would_fit else f"It {IMPOSSIBLE}."
    return "\n".join([prose(head), "", *reasons, "", prose(end)])
