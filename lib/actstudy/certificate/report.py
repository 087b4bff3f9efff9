"""A certificate as Markdown, and its two files."""

from collections.abc import Iterator
from typing import Any

from actstudy.certificate.certify import MEASURED, NOT_MEASURED, PASSED, findings
from actstudy.certificate.checks import CHECKS
from actstudy.certificate.measures import DEPTH, MEASURES
from actstudy.contract import certificates, store
from actstudy.contract.errors import visible


def markdown(certificate: dict[str, Any]) -> str:
    """The certificate as a page: outcome, findings, checks, data sheet, the signal over depth."""
    name = certificate["activation"]
    versions = certificate["versions"]
    used = ", ".join(f"{key} {version}" for key, version in versions.items() if version)
    lines = [
        f"# {_safe(certificate['short'])}: {_verdict(certificate)}",
        "",
        f"`{_safe(name)}`{_arguments(certificate)}, code {certificate['digest']}; {_safe(used)}",
        *_findings(certificate),
        "",
        "## Checks",
        "",
        "| check | outcome |",
        "|---|---|",
        *_check_rows(certificate["checks"]),
    ]
    if certificate["measures"]:
        lines += ["", "## Data sheet", "", "| | |", "|---|---|"]
        lines += _sheet_rows(certificate["measures"])
        lines += _over_depth(certificate["measures"][DEPTH]["values"])
    return "\n".join(lines) + "\n"


def write(certificate: dict[str, Any]) -> None:
    """Writes the Markdown and, last, the JSON below results/certificates/."""
    keys = ("activation", "digest", "arguments")
    file = certificates.file_named(*(certificate[key] for key in keys))
    with store.replacing(file.with_suffix(".md")) as draft:
        draft.write_text(markdown(certificate), encoding="utf-8")
    store.write_json(file, certificate)


def _arguments(certificate: dict[str, Any]) -> str:
    """The arguments other than defaults, as text after the name."""
    args = certificate["arguments"]
    return f" with {_safe(certificates.words(args))}" if args else ""


def _verdict(certificate: dict[str, Any]) -> str:
    outcomes = [row["outcome"] for row in certificate["checks"].values()]
    n_findings = len(findings(certificate["checks"], certificate["measures"]))
    n_open = outcomes.count(NOT_MEASURED)
    text = f"{outcomes.count(PASSED)} of {len(outcomes)} checks passed"
    if n_open:
        text += f", {n_open} not measured"
    if certificate["outcome"] == certificates.CERTIFIED:
        return f"certified, {text}"
    return f"{n_findings} finding{'s' if n_findings > 1 else ''}, {text}"


def _findings(certificate: dict[str, Any]) -> Iterator[str]:
    """A paragraph per finding: what was observed, and what to change."""
    rows = findings(certificate["checks"], certificate["measures"])
    if rows:
        yield from ("", "## Findings", "")
    for name, row in rows.items():
        title = MEASURES[name].title if name in MEASURES else name
        yield f"- **{title}**: {_safe(row['text'])}. To fix: {_safe(row['fix'])}."


def _check_rows(checks: dict[str, dict[str, str]]) -> Iterator[str]:
    for name, row in checks.items():
        outcome = row["outcome"]
        if outcome == NOT_MEASURED:
            outcome += f": {row['text']}"
        yield f"| **{name}**: {_cell(CHECKS[name].title)} | {_cell(outcome)} |"


def _sheet_rows(measures: dict[str, dict[str, Any]]) -> Iterator[str]:
    for name, row in measures.items():
        text = row["text"]
        if row["outcome"] != MEASURED:
            text = f"{row['outcome']}: {text}"
        yield f"| {MEASURES[name].title} | {_cell(text)} |"


def _over_depth(values: dict[str, Any]) -> Iterator[str]:
    """A table of second moments over layers; nothing if they were not measured."""
    if not values:
        return
    yield from ("", "Second moments with the gain above, in the limit of wide layers:", "")
    yield _row(["layers", *values["depths"]])
    yield _row(["---"] * (1 + len(values["depths"])))
    for start, path in values["from"].items():
        yield _row([f"signal that begins at {start}", *map(_number, path)])
    yield _row(["gradient that begins at 1", *map(_number, values["gradient"])])


def _row(cells: list[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"


def _cell(text: str) -> str:
    """Text in a cell of a table, which a vertical bar would end."""
    return _safe(text).replace("|", "\\|")


def _safe(text: str) -> str:
    """Text of someone else's code without what Markdown or a terminal would act on."""
    return visible(text).replace("<", "&lt;")
