"""What `doctor` prints: what was assumed and read, then the findings; and its exit status."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from actstudy.advice import rules
from actstudy.contract.errors import visible

EXIT_STATUS = {"note": 0, "warning": 1, "error": 3}  # 2 is bad input
UNREAD = 1  # at least, if not all was read that was to be


class Report(NamedTuple):
    """lines: what was assumed and read; is_whole: whether all was read that was to be."""

    lines: list[str]
    findings: list[rules.Finding]
    is_whole: bool
    has_sites: bool


def show(report: Report) -> int:
    """Print a report, its findings from the most severe one on; returns its exit status."""
    text = rules.format_findings(report.findings)
    if not report.findings and not report.is_whole:
        text = "no verdict: not all was read, and nothing was found in the rest"
    elif not report.findings and not report.has_sites:
        text = "nothing found in loss and gradients; no activation was read"
    for line in [*report.lines, *text.split("\n")]:
        print(visible(line))  # layers are named by whoever wrote the model
    statuses = [EXIT_STATUS[finding.severity] for finding in report.findings]
    return max([*statuses, 0 if report.is_whole else UNREAD])


def has_sites(health: Sequence[Mapping[str, Any]]) -> bool:
    """Whether an activation was read."""
    return any(row["kind"] == "site" for row in health)


def flow(health: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line on the gradient's norm at the first site over that at the last, if it was read."""
    sites = {row["name"] for row in health if row["kind"] == "site"}
    ratios = [row["value"] for row in health if row["probe"] == "flow_ratio"]
    known = [ratio for ratio in ratios if not math.isnan(ratio)]
    if not ratios:
        return []
    if len(sites) < 2:
        return ["flow ratio: none, as it takes two sites"]
    if not known:
        return ["flow ratio: unknown, as no finite gradient reaches the last site"]
    median = f"{statistics.median(known):.3g}, the median of {len(known)} readings"
    return [f"flow ratio, the gradient at the first site over that at the last: {median}"]
