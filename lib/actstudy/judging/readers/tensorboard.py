"""TensorBoard's event files, read with the package tensorboard, which must be there.

A folder with event files is a run; what names it is its path below the source. Settings are those
of the hyperparameter plugin, if it was used.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from actstudy.contract.errors import StudyError
from actstudy.judging.reading.options import Options
from actstudy.judging.reading.runs import Run, scores
from actstudy.judging.scores import Scores

KIND = "tensorboard"
MARK = "tfevents"
CUT_OFF = "truncated record"  # in what TensorBoard says of a record that ends too early
HPARAMS = "hparams"


def recognises(path: Path) -> bool:
    """Whether a path is an event file, or a folder with some below it."""
    if path.is_file():
        return MARK in path.name
    return path.is_dir() and next(path.rglob(f"*{MARK}*"), None) is not None


def read(path: Path, options: Options) -> Scores:
    """The scores of all runs; StudyError, with the file, if one is damaged in its middle."""
    by_folder: dict[Path, list[Path]] = {}
    event_files = [path] if path.is_file() else sorted(path.rglob(f"*{MARK}*"))
    for file in event_files:
        if file.is_file():
            by_folder.setdefault(file.parent, []).append(file)
    runs = []
    for folder, own in by_folder.items():
        root = path.parent if path.is_file() else path
        name = folder.name if folder == root else folder.relative_to(root).as_posix()
        runs.append(run_of(name, own))
    filled = [run for run in runs if run.metrics]
    if not filled:
        raise StudyError(f"{path}: got no scalar in its event files; allowed: runs that logged one")
    return scores(filled, options, str(path))


def run_of(name: str, event_files: list[Path]) -> Run:
    """The run of a folder; of a step that was logged twice, as after a restart, the later value."""
    points: dict[str, dict[int, float]] = {}
    settings: dict[str, Any] = {}
    for file in event_files:
        for event in events(file):
            for value in event.summary.value:
                add(points, settings, event.step, value)
    curves = {}
    for tag, by_step in points.items():
        steps = np.array(sorted(by_step), dtype=float)
        curves[tag] = (steps, np.array([by_step[step] for step in sorted(by_step)], dtype=float))
    return Run(name, settings, curves)


def events(file: Path) -> Iterator[Any]:
    """The events of a file, read by TensorBoard itself without TensorFlow, which takes seconds.

    StudyError if a record does not have its checksum. A last record that is cut off, as of a run
    that was killed, is left out.
    """
    try:
        from google.protobuf.message import DecodeError
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.tensorflow_stub import errors, pywrap_tensorflow
    except ImportError:
        fix = "to fix: pip install tensorboard"
        raise StudyError(f"{file}: the package tensorboard is missing; {fix}") from None
    reader = pywrap_tensorflow.PyRecordReader_New(str(file))
    count = 0
    while True:
        try:
            reader.GetNext()
            event = Event.FromString(reader.record())
        except errors.OutOfRangeError:
            break
        except errors.DataLossError as error:
            if count and CUT_OFF in str(error):
                break
            raise damaged(file, count) from None
        except (DecodeError, OverflowError, MemoryError):
            raise damaged(file, count) from None
        count += 1
        yield event
    if not count:
        raise damaged(file, count)


def damaged(file: Path, count: int) -> StudyError:
    """The refusal of a file of which `count` events are readable."""
    allowed = "allowed: event files as they were written; to fix: remove the file"
    return StudyError(f"{file}: damaged: event {count + 1} is not readable; {allowed}")


def add(
    points: dict[str, dict[int, float]], settings: dict[str, Any], step: int, value: Any
) -> None:
    """Adds a value of a summary: a scalar, as any version writes it, or hyperparameters."""
    if value.metadata.plugin_data.plugin_name == HPARAMS:
        settings |= hyperparameters(value.metadata.plugin_data.content)
    elif value.HasField("simple_value"):
        points.setdefault(value.tag, {})[step] = value.simple_value
    elif value.HasField("tensor"):
        number = scalar(value.tensor)
        if number is not None:
            points.setdefault(value.tag, {})[step] = number


def scalar(tensor: Any) -> float | None:
    """The number in a tensor, None if it has no single one."""
    from tensorboard.util.tensor_util import make_ndarray

    try:
        array = np.asarray(make_ndarray(tensor))
    except (TypeError, ValueError, KeyError):
        return None
    is_number = array.ndim == 0 and array.dtype.kind in "fiu"
    return float(array) if is_number else None


def hyperparameters(content: bytes) -> dict[str, Any]:
    """The settings in what the hyperparameter plugin writes, empty if there are none."""
    from google.protobuf.message import DecodeError
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    try:
        start = HParamsPluginData.FromString(content).session_start_info
    except DecodeError:
        return {}
    settings: dict[str, Any] = {}
    for name, value in start.hparams.items():
        kind = value.WhichOneof("kind")
        if kind in ("number_value", "string_value", "bool_value"):
            settings[name] = getattr(value, kind)
    return settings
