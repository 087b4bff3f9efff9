"""The life of a run, or of a pack's runs: locks, signals, training, publishing, a line per run."""

import contextlib
import dataclasses
import functools
import gc
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import actstudy
from actstudy.contract import light, locks, registry, scratch, sealed, sources, spec, store
from actstudy.contract.errors import RESUMABLE, StudyError, visible
from actstudy.study import packs
from actstudy.training import parity_file
from actstudy.training.settings import Settings

# Files that are written before the first checkpoint.
STARTING = ("spec.json", "environment.json", "log.txt", "progress.json")


def complete(runs: dict[Path, spec.RunSpec], settings: Settings, data_dir: Path) -> int:
    """Train what is not done yet of one run, or of the runs of a pack.

    runs: folder -> spec; data_dir: folder of all prepared data sets. Returns the exit status: 0, or
    75 if a signal stopped the training and the same command resumes it.
    """
    light.leave_pandas_out()
    locks.allow_files(
        3 * len(runs) + 256
    )  # per run a lock, a log and a TensorBoard; and all others
    with signals_received() as signals, contextlib.ExitStack() as stack:
        for folder in sorted(runs):
            stack.enter_context(locks.locked(folder, is_of_one_job=True))
            stack.callback(_forget, folder, signals)
            _same_spec(folder, runs[folder])
            if settings.sealed:
                sealed.unpack(folder)  # of another machine
        state = _state(runs)
        data = data_dir / spec.data_name(next(iter(runs.values())))
        todo = _publish_sealed(runs)
        if not todo or (data / store.MANIFEST).is_file():
            _check_data(runs, todo, data)
        stopped = ""
        if todo:
            stopped = _train_and_publish(todo, state, settings, data, signals)
        elif _packed(runs):
            shutil.rmtree(state, ignore_errors=True)  # of a pack that was killed at the very end
        if stopped:
            name = next(iter(todo)).name
            if len(todo) > 1:
                name += f" and {len(todo) - 1} more of its pack"
            print(f"{name}: {stopped}; the same command goes on from there", file=sys.stderr)
            return RESUMABLE
        if settings.sealed:
            for folder in runs:
                sealed.pack(folder)
        # one write, so that lines of concurrent runs do not mix
        sys.stdout.write("".join(_line(folder, run) for folder, run in (todo or runs).items()))
    return 0


def _publish_sealed(runs: Mapping[Path, spec.RunSpec]) -> dict[Path, spec.RunSpec]:
    """The runs that are not sealed; sealed ones whose tables do not verify are published again."""
    todo = {}
    for folder, run in runs.items():
        if not store.verifies(folder / "checkpoints" / "final"):
            todo[folder] = run
        elif not store.verifies(folder):
            store.publish(folder)
    return todo


def _check_data(
    runs: Mapping[Path, spec.RunSpec], todo: Mapping[Path, spec.RunSpec], data: Path
) -> None:
    """Damaged if data are not of their sources, or runs that are done had other data."""
    sources.check(data, next(iter(runs.values())).dataset)
    for folder in runs:
        if folder not in todo:
            sources.check_run(folder, data)


class Signals:
    """What SIGTERM and SIGINT do: stop after the present step; before the first, exit at once."""

    def __init__(self) -> None:
        self.noted = False
        self.training = False

    def receive(self, _number: int, _frame: object) -> None:
        is_first = not self.noted
        self.noted = True
        # a second one must not break off what the first one's exit tidies up
        if is_first and not self.training:
            sys.exit(RESUMABLE)

    def stopping(self) -> bool:
        """Whether to stop; first called when there is something to save."""
        self.training = True
        return self.noted


@contextlib.contextmanager
def signals_received() -> Iterator[Signals]:
    """Signals that are received until the block is left."""
    signals = Signals()
    terminate = signal.signal(signal.SIGTERM, signals.receive)
    interrupt = signal.signal(signal.SIGINT, signals.receive)
    try:
        yield signals
    finally:
        signal.signal(signal.SIGTERM, terminate)
        signal.signal(signal.SIGINT, interrupt)


def _forget(folder: Path, signals: Signals) -> None:
    """Remove the files of a run that a signal stopped before it, or its pack, had a checkpoint."""
    if not signals.noted:
        return
    with contextlib.suppress(FileNotFoundError):  # another pack's may vanish meanwhile
        if store.in_saved_pack(folder) or any((folder / "checkpoints").glob("*")):
            return
        for name in STARTING:
            (folder / name).unlink(missing_ok=True)
        (folder / "checkpoints").rmdir()


def _line(folder: Path, run: spec.RunSpec) -> str:
    """What the console says of a published run."""
    row = store.summary_row(folder)
    metric = registry.task(run.task)["metric"]
    score = row[f"reported_{metric}"]
    result = f"test {metric} {score:.4f}" if score is not None else visible(row["reason"])
    seconds = f"{row['train_seconds'] or 0:.1f} s"
    place = f" -> {folder}" if row["status"] != "completed" else ""
    return f"{run.task_name} {folder.name}: {row['status']}, {result}, {seconds}{place}\n"


def _same_spec(folder: Path, run: spec.RunSpec) -> None:
    """StudyError if a folder, named by hand, is another run's, which must not be resumed."""
    path = folder / "spec.json"
    try:
        same = not path.is_file() or spec.from_json(path.read_text(encoding="utf-8")) == run
    except (ValueError, TypeError) as error:
        raise store.Damaged(
            f"{path} is not a spec ({error}); to fix: rm {path}, then the same command"
        ) from None
    if not same:
        allowed = "a name that no run has yet"
        raise StudyError(f"command line: --run_id: {folder} holds another spec; allowed: {allowed}")


def _packed(runs: Mapping[Path, spec.RunSpec]) -> bool:
    """Whether runs train as a pack; else there is only one."""
    return next(iter(runs.values())).engine == "pack"


def _state(runs: Mapping[Path, spec.RunSpec]) -> Path:
    """The folder of the checkpoints of one run, or of runs that train as a pack."""
    folder = next(iter(runs))
    if _packed(runs):
        return folder.parent / ".packs" / packs.name(runs.values())
    return folder / "checkpoints"


@functools.cache
def _freeze() -> None:
    """Look for no garbage in what is imported by now: once per process, as runs leave some."""
    gc.freeze()


def _train_and_publish(
    runs: Mapping[Path, spec.RunSpec],
    state: Path,
    settings: Settings,
    data: Path,
    signals: Signals,
) -> str:
    """Train and publish runs; returns at which step a signal stopped them, or an empty string."""
    if not (data / store.MANIFEST).is_file():
        prepared(data.name, data)
    sources.pin(data)
    scratch.keep_compiled_code()
    from actstudy.training import devices
    from actstudy.training.outcome import Crowded, Interrupted
    from actstudy.training.run import train

    gpus = functools.partial(devices.gpus, settings.device)
    compared = parity_file.compare_first(next(iter(runs.values())), data.parent, gpus)
    _freeze()
    gc.enable()
    started = (settings.started or actstudy.STARTED) + compared  # which is no part of the run
    settings = dataclasses.replace(settings, started=started, stopping=signals.stopping)
    try:
        with _held_state(state) if _packed(runs) else contextlib.nullcontext():
            train(runs, state, data, settings)
    except Interrupted as stopped:
        return str(stopped)
    except Crowded as crowded:
        if signals.noted:
            return str(crowded)
        print(f"{next(iter(runs)).name}: {crowded}", file=sys.stderr)
    except devices.Unanswered as failed:
        if signals.noted or not failed.others:
            raise
        # CUDA reads it once per process: start again
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(failed.others)
    else:
        return ""
    sys.stdout.flush()
    os.execv(sys.executable, sys.orig_argv)


@contextlib.contextmanager
def _held_state(state: Path) -> Iterator[None]:
    """Lock the folder of a pack's checkpoints; if none is left, the list of its runs is removed."""
    with locks.locked(state, is_of_one_job=True):
        try:
            yield
        finally:
            if not any(state.glob("step-*.pt")):
                (state / store.MEMBERS).unlink(missing_ok=True)


def prepared(name: str, folder: Path) -> None:
    """Prepare a data set (spec.data_name) into a folder, once for all processes that need it."""
    from actstudy.data.prepared import prepare

    with locks.locked(folder, is_of_one_job=True):
        if not (folder / "manifest.json").is_file():
            prepare(name, folder)
