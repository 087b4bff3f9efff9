"""The end of an evaluation window: curve rows, the choice of the best checkpoint, ended runs."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from actstudy.tasks.metrics import Evaluation
from actstudy.training import blame
from actstudy.training.engine import Engine


def fetch(engine: Engine, stopping: Callable[[], bool]) -> None:
    """Move pending train scores to the host; a run whose loss was not finite ended at that step."""
    if not engine.pending:
        return
    first = engine.step - len(engine.pending)
    of_steps = {}
    for name in engine.pending[0]:
        of_steps[name] = torch.stack([scores[name] for scores in engine.pending], 1)
    is_bad = (~of_steps["loss"].isfinite()).any(1).tolist()
    scores: dict[str, list[list[float]]] = {k: value.tolist() for k, value in of_steps.items()}
    engine.pending.clear()
    bad: dict[int, int] = {}
    for run in engine.running:
        window = engine.progress[run].window
        for name, values in scores.items():
            window.setdefault(name, []).extend(values[run])
        if "skipped" in scores:
            engine.progress[run].skipped += round(sum(scores["skipped"][run]))
        if is_bad[run]:
            bad[run] = first + _first_nonfinite(scores["loss"][run])
    if bad:
        places = blame.search(engine, bad, lambda: blame.in_training(engine, bad, stopping))
        for run, step in bad.items():
            loss = scores["loss"][run][step - first]
            reason = f"loss is {loss} at step {step}{places.get(run, '')}"
            engine.end(run, "diverged", reason, step + 1)
    blame.mark(engine)


def close(engine: Engine, stopping: Callable[[], bool]) -> None:
    """End an evaluation window of all running runs: train means, validation scores, best weights.

    A run whose validation loss is not finite, or whose patience is over, has ended.
    """
    fetch(engine, stopping)
    runs = engine.running
    if not runs:
        return
    evaluations = dict(zip(runs, _validate(engine, runs), strict=True))
    rate, pace = _pace(engine)
    learning_rates = engine.learning_rates(engine.step - 1)
    for run, evaluation in evaluations.items():
        engine.progress[run].step = engine.step
        if rate is not None:
            engine.progress[run].rates.append(rate)
        points = _curve_points(engine, run, {"lr": learning_rates[run], **pace}, evaluation)
        engine.progress[run].curves += points
        _log(engine, run, points, rate)
    _end_diverged(engine, {run: evaluations[run].scores["loss"] for run in runs})
    metric = engine.task.TASK["metric"]
    improved = []
    for run in engine.running:
        if _note_best(engine, run, evaluations[run].scores[metric]):
            improved.append(run)
    if improved:
        engine.keep_best(improved)
    _end_impatient(engine)


def _validate(engine: Engine, runs: list[int]) -> list[Evaluation]:
    """The evaluations of some runs on the validation split."""
    with engine.clock("compile" if engine.compiles("validate") else "eval"):
        return engine.evaluate("val", runs)


def _pace(engine: Engine) -> tuple[float | None, dict[str, float]]:
    """Labels per second of a run's share of the ended window, and the share's seconds per epoch.

    None and nothing if all steps of the window were compiled.
    """
    seconds = (engine.clock.seconds["train"] - engine.window_start) / len(engine.specs)
    steps = engine.timed
    engine.window_start = engine.clock.seconds["train"]
    engine.timed = 0
    if not steps:
        return None, {}
    labels = steps * engine.spec.batch_size * engine.labels_per_example
    return labels / max(seconds, 1e-9), {"epoch_seconds": seconds * engine.steps_per_epoch / steps}


def _curve_points(
    engine: Engine, run: int, extra: Mapping[str, float], evaluation: Evaluation
) -> list[dict[str, Any]]:
    """A window's rows of `curves`: train means with `extra`, and validation scores.

    The window is empty afterwards.
    """
    progress = engine.progress[run]
    train = {name: math.fsum(values) / len(values) for name, values in progress.window.items()}
    place = {
        "step": engine.step,
        "epoch": engine.step / engine.steps_per_epoch,
        "samples": engine.step * engine.spec.batch_size,
        "train_seconds": engine.share(run, "train"),
    }
    progress.window.clear()
    train_rows = curve_rows(place, "train", {**train, **extra})
    return [*train_rows, *curve_rows(place, "val", evaluation.scores)]


def curve_rows(
    place: Mapping[str, Any], split: str, scores: Mapping[str, float]
) -> Iterable[dict[str, Any]]:
    """Rows of `curves`; place: the columns step, epoch, samples and train_seconds."""
    for metric, value in scores.items():
        yield {**place, "split": split, "metric": metric, "value": value}


def _log(engine: Engine, run: int, points: list[dict[str, Any]], rate: float | None) -> None:
    """Write a window's line into a run's log, and its points to TensorBoard."""
    values = {(row["split"], row["metric"]): row["value"] for row in points}
    metric = engine.task.TASK["metric"]
    scores = {
        "train loss": values["train", "loss"],
        "val loss": values["val", "loss"],
        f"val {metric}": values["val", metric],
    }
    engine.logs[run].mirror(points)
    engine.logs[run].evaluated(
        engine.step,
        engine.total_steps,
        engine.step / engine.steps_per_epoch,
        scores,
        rate,
        engine.task.TASK["throughput_unit"],
        engine.share(run, "train"),
    )


def _end_diverged(engine: Engine, losses: Mapping[int, float]) -> None:
    """End the runs whose validation loss is not finite; losses: run -> validation loss."""
    runs = [run for run, loss in losses.items() if not math.isfinite(loss)]
    if not runs:
        return
    places = blame.search(engine, runs, lambda: blame.in_validation(engine, runs))
    for run in runs:
        reason = f"validation loss is {losses[run]} after step {engine.step - 1}"
        engine.end(run, "diverged", f"{reason}{places.get(run, '')}", engine.step)


def _note_best(engine: Engine, run: int, value: float) -> bool:
    """Note a validation metric if it is a run's best so far, not a tie; returns whether it is."""
    progress = engine.progress[run]
    sign = 1 if engine.task.TASK["higher_is_better"] else -1
    if progress.best_step >= 0 and not sign * value > sign * progress.best_value:
        progress.evaluations_since_best += 1
        return False
    progress.best_step = engine.step
    progress.best_value = value
    progress.evaluations_since_best = 0
    return True


def _end_impatient(engine: Engine) -> None:
    """End the runs whose metric has not improved for as many evaluations as their patience."""
    patience = engine.spec.patience
    if patience is None:
        return
    progress = engine.progress
    runs = [run for run in engine.running if progress[run].evaluations_since_best >= patience]
    engine.set_aside(runs)
    for run in runs:
        engine.end(run, "completed", None, engine.step)


def _first_nonfinite(values: list[float]) -> int:
    """The place of the first value that is not finite."""
    return next(place for place, value in enumerate(values) if not math.isfinite(value))
