"""What `train` and `pack` share: folders held, what is done left alone, data prepared, signals heeded, a line a run."""

import argparse
import contextlib
import gc
import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import actstudy
from actstudy.contract import locks, registry, spec, store
from actstudy.contract.errors import StudyError, visible
from actstudy.study import packs

RESUMABLE = 75  # EX_TEMPFAIL: stopped, and the same command goes on
STARTING = (
    "spec.json",
    "environment.json",
    "log.txt",
    "progress.json",
)  # written before the first checkpoint


def complete(runs: dict[Path, spec.RunSpec], arguments: argparse.Namespace) -> int:
    """Train what is not done yet of one run, or of the runs of a pack; 0, or 75 where the same command goes on."""
    _allow_files(2 * len(runs) + 256)  # a lock and a log a run, and what the process needs besides
    with _signals() as signals, contextlib.ExitStack() as held:
        for folder in sorted(runs):
            held.enter_context(locks.locked(folder))
            held.callback(_forget, folder, signals)
            _same_spec(folder, runs[folder])
        sealed = [folder for folder in runs if store.verifies(folder / "checkpoints" / "final")]
        for folder in sealed:
            if not store.verifies(folder):
                store.publish(folder)
        todo = {folder: chosen for folder, chosen in runs.items() if folder not in sealed}
        if not todo:  # killed at the very end, a pack may have left its checkpoints
            shutil.rmtree(_state(runs), ignore_errors=True)
        stopped = _trained(todo, runs, arguments, signals) if todo else ""
        if stopped:
            for folder in todo:
                print(
                    f"{folder.name}: {stopped}; the same command goes on from there",
                    file=sys.stderr,
                )
            return RESUMABLE
        sys.stdout.write(
            "".join(map(_line, todo or runs))
        )  # one write, so that lines of concurrent runs do not mix
    return 0


class Signals:
    """What SIGTERM and SIGINT do: noted for the end of a step; until one has ended, they end the process at once."""

    def __init__(self) -> None:
        self.noted = self.training = False

    def receive(self, _number: int, _frame: object) -> None:
        first, self.noted = not self.noted, True
        if (
            first and not self.training
        ):  # a second one must not break off what the first one's exit tidies up
            sys.exit(RESUMABLE)

    def asked(self) -> bool:
        """Whether to stop; asked for the first time when there is something to save."""
        self.training = True
        return self.noted


@contextlib.contextmanager
def _signals() -> Iterator[Signals]:
    """Signals that are received until the block is left."""
    signals = Signals()
    before = {
        number: signal.signal(number, signals.receive) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _forget(folder: Path, signals: Signals) -> None:
    """Remove what a start has written of a run, alone or in a pack, that a signal stopped before a checkpoint."""
    saved = {path.parent for path in folder.parent.glob(".packs/*/step-*.pt")}
    with contextlib.suppress(FileNotFoundError):  # another pack's may vanish meanwhile
        packed = any(
            folder.name in json.loads((state / packs.MEMBERS).read_text()) for state in saved
        )
        if signals.noted and not packed and not any((folder / "checkpoints").glob("*")):
            for name in STARTING:
                (folder / name).unlink(missing_ok=True)
            (folder / "checkpoints").rmdir()


def _allow_files(needed: int) -> None:
    """Let this process hold so many files open, as far as the system lets it."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now != resource.RLIM_INFINITY and now < needed:
        most_here = needed if most == resource.RLIM_INFINITY else min(needed, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most_here, most))


def _line(folder: Path) -> str:
    row = store.summary_row(folder)
    metric = registry.task(row["task"])["metric"]
    score = row[f"reported_{metric}"]
    result = f"test {metric} {score:.4f}" if score is not None else visible(row["reason"])
    seconds = f"{row['train_seconds'] or 0:.1f} s of training"
    return f"{row['task']} {folder.name}: {row['status']}, {result}, {seconds} -> {folder}\n"


def _same_spec(folder: Path, chosen: spec.RunSpec) -> None:
    """StudyError where a run named by hand is another run's folder: it must not republish or resume that one."""
    path = folder / "spec.json"
    try:
        same = not path.is_file() or spec.from_json(path.read_text(encoding="utf-8")) == chosen
    except (ValueError, TypeError) as error:
        raise store.Damaged(
            f"{path} is not a spec ({error}); to fix: rm {path}, then the same command"
        ) from None
    if not same:
        raise StudyError(
            f"command line: --run_id: {folder} holds another spec; allowed: a name that no run has yet"
        )


def _state(runs: dict[Path, spec.RunSpec]) -> Path:
    """Where the checkpoints of runs are that train as a pack."""
    return next(iter(runs)).parent / ".packs" / packs.name(runs.values())


def _trained(
    todo: dict[Path, spec.RunSpec],
    runs: dict[Path, spec.RunSpec],
    arguments: argparse.Namespace,
    signals: Signals,
) -> str:
    """Train and publish; where a signal stopped it, at which step."""
    folder, chosen = next(iter(todo.items()))
    data = arguments.data_dir / spec.data_name(chosen)
    if not (data / "manifest.json").is_file():
        prepared(spec.data_name(chosen), data)
    if chosen.engine == "pack":
        from actstudy.training.pack_run import run_pack

        state = _state(runs)
        with locks.locked(state):
            try:
                return _guarded(
                    lambda settings: run_pack(todo, state, data, settings), arguments, signals
                )
            finally:
                if not any(state.glob("step-*.pt")):
                    (state / packs.MEMBERS).unlink(missing_ok=True)
    from actstudy.training.run import run

    stopped = _guarded(lambda settings: run(chosen, folder, data, settings), arguments, signals)
    if not stopped:
        store.publish(folder)
    return stopped


def _guarded(work: Callable[[Any], object], arguments: argparse.Namespace, signals: Signals) -> str:
    """Do `work(settings)`; where a signal stopped it and the same command goes on, at which step."""
    from actstudy.training.devices import Unanswered
    from actstudy.training.job import Interrupted
    from actstudy.training.run import Settings

    gc.freeze()  # what is imported by now is never garbage
    gc.enable()
    settings = Settings(
        device=arguments.device,
        slots_per_gpu=arguments.slots_per_gpu,
        probe_every=arguments.probe_every,
        checkpoint_seconds=arguments.checkpoint_seconds,
        timeout_minutes=arguments.timeout_minutes,
        quiet=arguments.quiet,
        tensorboard=arguments.tensorboard,
        started=actstudy.STARTED,
        stopping=signals.asked,
    )
    try:
        work(settings)
    except Interrupted as stopped:
        return str(stopped)
    except Unanswered as failed:
        if signals.noted or not failed.others:
            raise
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(
            failed.others
        )  # CUDA reads it once a process: start again
        os.execv(sys.executable, sys.orig_argv)
    return ""


def prepared(name: str, folder: Path) -> None:
    """Prepare a data set (spec.data_name) into a folder unless it is there; runs that need it at once do so once."""
    from actstudy.data.prepared import prepare

    with locks.locked(folder):
        if not (folder / "manifest.json").is_file():
            prepare(name, folder)
