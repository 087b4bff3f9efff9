"""What the runs' weights are worth in the end: test scores of the last and the best ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actstudy.tasks.metrics import Evaluation
from actstudy.training import checkpoint
from actstudy.training.engine import Engine, Progress
from actstudy.training.window import curve_rows


@dataclass
class Result:
    """A run's test results: columns of `runs`, rows of `calibration`, columns of `predictions`."""

    row: dict[str, Any] = field(default_factory=dict)
    calibration: list[dict[str, Any]] = field(default_factory=list)
    predictions: dict[str, Any] = field(default_factory=dict)


def score(engine: Engine, folders: Sequence[Path]) -> list[Result]:
    """Each run's result, empty if it did not complete; writes the best weights into its folder."""
    results = [Result() for _ in engine.specs]
    runs = engine.completed
    if not runs:
        return results
    engine.load("last")
    last_weights = engine.weights()
    last = dict(zip(runs, engine.evaluate("test", runs), strict=True))
    best = last
    best_weights = last_weights
    if any(engine.progress[run].best_step != engine.progress[run].step for run in runs):
        engine.load("best")
        best = dict(zip(runs, engine.evaluate("test", runs), strict=True))
        best_weights = engine.weights()
    for run in runs:
        results[run].row["weights_sha256"] = checkpoint.weights_sha256(last_weights[run])
        _add(engine.progress[run], results[run], last[run], best[run])
        checkpoint.write(folders[run] / "checkpoints" / "best.pt", best_weights[run])
    return results


def _add(progress: Progress, result: Result, last: Evaluation, best: Evaluation) -> None:
    """Add the scores of a run's last and best weights to its result and curves."""
    for name, prefix, test in (("last", "last", last), ("best", "reported", best)):
        step = progress.step if name == "last" else progress.best_step
        if name == "last" or step != progress.step:
            point = next(row for row in reversed(progress.curves) if row["step"] == step)
            progress.curves += curve_rows(point, "test", test.scores)
        for metric, value in test.scores.items():
            result.row[f"{prefix}_{metric}"] = value
        result.calibration += [{"checkpoint": name, **part} for part in test.calibration]
    result.predictions = best.predictions
