"""What a run's weights are worth in the end: test scores, the best weights on disk."""

import time
from pathlib import Path
from typing import Any

from actstudy.training import checkpoint
from actstudy.training.job import Job, Progress
from actstudy.training.loop import evaluate


def final(job: Job, progress: Progress, folder: Path, results: dict[str, Any]) -> dict[str, Any]:
    """Test scores of the last and of the best-val weights, as columns of `runs`; fills the other tables' rows."""
    began, row = time.perf_counter(), {}
    row["weights_sha256"] = checkpoint.weights_sha256(job.model.state_dict())
    places = {
        "last": (job.model.state_dict(), progress.step),
        "best": (job.best_weights, progress.best_step),
    }
    weights = {
        name: {key: value.clone() for key, value in state.items()}
        for name, (state, _) in places.items()
    }
    for name, prefix in (("last", "last"), ("best", "reported")):
        if (
            name == "last" or progress.best_step != progress.step
        ):  # else the same weights, just scored
            job.model.load_state_dict(weights[name])
            test = evaluate(job, "test")
            at = next(
                point for point in reversed(progress.curves) if point["step"] == places[name][1]
            )
            progress.curves += [
                {**at, "split": "test", "metric": m, "value": v} for m, v in test.scores.items()
            ]
        row |= {f"{prefix}_{metric}": value for metric, value in test.scores.items()}
        results["calibration"] += [{"checkpoint": name, **part} for part in test.calibration]
        results["predictions"] = test.predictions
    checkpoint.write(folder / "checkpoints" / "best.pt", weights["best"])
    progress.seconds["eval"] += time.perf_counter() - began
    return row
