"""What `doctor` prints: what was assumed, read and checked, the findings; its exit status."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from actstudy.advice import rules
from actstudy.advice.report import in_lines
from actstudy.contract.errors import visible

EXIT_STATUS = {"note": 0, "warning": 1, "error": 3}  # 2 is bad input
UNREAD = 1  # at least, if not all was read that was to be


class Report(NamedTuple):
    """lines: what was assumed, read and checked; is_whole: whether all was read that was to be.

    failure: why the run failed, empty if it did not, which is no matter of health.
    """

    lines: list[str]
    findings: list[rules.Finding]
    is_whole: bool
    has_sites: bool
    failure: str = ""


def show(report: Report) -> int:
    """Print a report, its findings from the most severe one on; returns its exit status."""
    last = "nothing found"
    if not report.is_whole:
        last = "no verdict: not all was read, and nothing was found in the rest"
    elif report.failure:
        last = f"no finding explains that {report.failure}"
    elif not report.has_sites:
        last = "nothing found in loss and gradients; no activation was read"
    for line in [*report.lines, *(in_lines(report.findings) or [last])]:
        print(visible(line))  # layers are named by whoever wrote the model
    statuses = [EXIT_STATUS[finding.severity] for finding in report.findings]
    if report.failure:
        statuses.append(EXIT_STATUS["error"])
    return max([*statuses, 0 if report.is_whole else UNREAD])


def has_sites(health: Sequence[Mapping[str, Any]]) -> bool:
    """Whether an activation was read."""
    return any(row["kind"] == "site" for row in health)
