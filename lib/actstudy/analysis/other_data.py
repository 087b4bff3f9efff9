"""Which runs were trained on other data than the newest one."""

from collections.abc import Iterable, Mapping
from typing import Any

DATA = ["task", "dataset", "vocabulary", "context"]  # the columns that name prepared data
ORIGIN = [*DATA, "run_id", "ended", "data_sha256"]


def on_other_data(runs: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Run -> why it is left out, of runs on other data than the run that ended last.

    Runs of one task and one data set are compared; those of which no data are recorded stay. So
    runs that are trained again, on the data that there are now, agree in the end. runs: rows with
    the columns ORIGIN; None or NaN: not there.
    """
    by_data: dict[tuple[Any, ...], list[tuple[str, str, str]]] = {}
    for run in runs:
        *data, run_id, ended, sha256 = map(_value, map(run.get, ORIGIN))
        if sha256 is not None:
            by_data.setdefault(tuple(data), []).append((ended or "", run_id, sha256))
    reasons: dict[str, str] = {}
    for comparable in by_data.values():
        newest = max(comparable)[-1]
        for _, run_id, other in sorted(run for run in comparable if run[-1] != newest):
            reasons[run_id] = (
                f"trained on other data (sha {other[:12]}) than the newest run (sha {newest[:12]})"
            )
    return reasons


def _value(value: Any) -> Any:
    """None for NaN, which equals not even itself."""
    return value if value == value else None
