"""The contract between training and analysis: Arrow schemas of a run's tables, with units."""

import dataclasses
import json
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from actstudy.contract.spec import RunSpec

# Of the schemas. 2 added runs.code_sha256; 3 runs.model, metrics of regression and the values in
# predictions; 4 runs.framework, nesterov, drop_path, skipped_steps and execution; 5
# runs.dropout_kind and what activations learn, in health; 6 runs.views, loss and loss_args and the
# metrics of contrastive runs; 7 runs.mix. All of these are null, or not there, in older runs.
VERSION = "7"
BUCKETS = ("start", "train", "eval", "probe", "compile", "checkpoint", "wasted")  # of seconds
CELL = ["task", "group", "level"]  # the columns that name a cell of a study
ENDED = ["completed", "diverged"]  # states of runs whose results count
FAILED = ("failed", "out_of_memory", "timeout")  # states of runs that ended without a result
OTHER_DATA = "other data"  # state of a run that was trained on other data than the newest run
UNREAD = ["missing", "damaged", OTHER_DATA]  # states of runs whose tables are not read
METRICS = (
    "loss",
    "accuracy",
    "top5",
    "macro_f1",
    "ece",
    "perplexity",
    "word_perplexity",
    "r2",
    "rmse",
    "recall_at_1",
    "recall_at_5",
    "recall_at_1_back",
    "recall_at_5_back",
    "alignment",
    "uniformity",
    "knn_accuracy",
    "logit_scale",
    "clamped",
)


def column(
    name: str, kind: pa.DataType, unit: str = "", *, key: bool = False, clock: bool = False
) -> pa.Field:
    """A field. Keys are never null; `clock` marks what a clock or the host decides.

    Reruns may differ in such fields.
    """
    metadata = {"unit": unit, "clock": "yes" if clock else "no"}
    return pa.field(name, kind, nullable=not key, metadata=metadata)


def _spec_columns() -> list[pa.Field]:
    """RunSpec's fields as columns; mappings, tuples and hybrids travel as JSON text."""
    plain = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    columns = []
    for name, hint in typing.get_type_hints(RunSpec).items():
        options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        columns.append(column(name, plain.get(options[0], pa.string())))
    return columns


RUNS = pa.schema(
    [
        column("run_id", pa.string(), key=True),
        *_spec_columns(),
        column("status", pa.string(), key=True),
        column("reason", pa.string()),
        column("n_params", pa.int64(), "parameters"),
        column("total_steps", pa.int64(), "steps"),
        column("steps_done", pa.int64(), "steps"),
        column("best_step", pa.int64(), "steps"),
        column("skipped_steps", pa.int64(), "steps without an update, as fp16 was out of range"),
        *[column(f"reported_{metric}", pa.float64()) for metric in METRICS],
        *[column(f"last_{metric}", pa.float64()) for metric in METRICS],
        column("order_hash", pa.string()),
        column("data_sha256", pa.string()),
        column("data_subset", pa.string()),
        column("weights_sha256", pa.string()),
        *[column(f"{bucket}_seconds", pa.float64(), "s", clock=True) for bucket in BUCKETS],
        column("n_resumes", pa.int64(), clock=True),
        column("throughput", pa.float64(), "throughput_unit", clock=True),
        column("throughput_unit", pa.string()),
        column("slots_per_gpu", pa.int64(), "runs", clock=True),
        column(
            "gpu_in_use",
            pa.bool_(),
            "by another process, before or after the training; null if not known or no GPU",
            clock=True,
        ),
        column(
            "pack",
            pa.string(),
            "the process that trained it with others; null outside packs",
            clock=True,
        ),
        column(
            "packed_with",
            pa.int64(),
            "runs of the same process, itself one; null outside packs",
            clock=True,
        ),
        column("timing_clean", pa.bool_(), clock=True),
        column("peak_memory_bytes", pa.int64(), "bytes", clock=True),
        column("peak_memory_kind", pa.string(), clock=True),
        column("execution", pa.string(), "layout, compilation, TF32", clock=True),
        column("device", pa.string(), clock=True),
        column("device_id", pa.string(), "the GPU's UUID, or the host of a CPU", clock=True),
        column("versions", pa.string(), clock=True),
        column("git_commit", pa.string(), clock=True),
        column("git_dirty", pa.bool_(), clock=True),
        column("code_sha256", pa.string(), "of the package's files as they ran", clock=True),
        column("started", pa.string(), "UTC", clock=True),
        column("leased", pa.string(), "UTC", clock=True),
        column("ended", pa.string(), "UTC", clock=True),
    ]
)

CURVES = pa.schema(
    [
        column("run_id", pa.string(), key=True),
        column("step", pa.int64(), "steps", key=True),
        column("epoch", pa.float64(), "epochs"),
        column("samples", pa.int64(), "samples"),
        column("train_seconds", pa.float64(), "s", clock=True),
        column("split", pa.string(), key=True),
        column("metric", pa.string(), key=True),
        column("value", pa.float64()),
    ]
)

HEALTH = pa.schema(
    [
        column("run_id", pa.string(), key=True),
        column("step", pa.int64(), "steps", key=True),
        column("kind", pa.string(), key=True),
        column("name", pa.string(), key=True),
        column("index", pa.int64(), key=True),
        column("probe", pa.string(), key=True),
        column("value", pa.float64()),
    ]
)

CALIBRATION = pa.schema(
    [
        column("run_id", pa.string(), key=True),
        column("checkpoint", pa.string(), key=True),
        column("bin", pa.int64(), key=True),
        column("lower", pa.float64(), "confidence"),
        column("upper", pa.float64(), "confidence"),
        column("count", pa.int64(), "examples"),
        column("confidence_sum", pa.float64(), "confidence"),
        column("correct", pa.int64(), "examples"),
    ]
)

PREDICTIONS = pa.schema(
    [
        column("run_id", pa.string(), key=True),
        column("example", pa.int64(), "a language model's is a document", key=True),
        column("label", pa.int64(), "class; of pairs the example whose view is sought"),
        column("predicted", pa.int64(), "class; of pairs the example that is retrieved"),
        column("confidence", pa.float64()),
        column("nll", pa.float64(), "nats"),
        column("tokens", pa.int64(), "tokens"),
        column("words", pa.int64(), "words"),
        column("label_value", pa.float64(), "that of the label, of a regression"),
        column("predicted_value", pa.float64(), "that of the label, of a regression"),
    ]
)

SCHEMAS = {
    "runs": RUNS,
    "curves": CURVES,
    "health": HEALTH,
    "calibration": CALIBRATION,
    "predictions": PREDICTIONS,
}


def table(
    name: str, run_id: str, rows: Iterable[Mapping[str, Any]] | Mapping[str, Sequence[Any]]
) -> pa.Table:
    """A run's rows, or its columns, as the named table.

    ValueError for an unknown column or a key that is null.
    """
    schema = SCHEMAS[name].with_metadata({"schema_version": VERSION})
    columns = rows if isinstance(rows, Mapping) else _columns(list(rows))
    unknown = set(columns) - set(schema.names)
    if unknown:
        raise ValueError(
            f"table {name}: unknown columns {sorted(unknown)}; allowed: {schema.names}"
        )
    n = len(next(iter(columns.values()), ()))
    columns = {"run_id": [run_id] * n, **columns}
    arrays = []
    for field in schema:
        if field.name in columns:
            arrays.append(pa.array(columns[field.name], field.type))
        else:
            arrays.append(pa.nulls(n, field.type))
    result = pa.Table.from_arrays(arrays, schema=schema)
    for field in schema:
        if not field.nullable and result[field.name].null_count:
            raise ValueError(f"table {name}: {field.name} is null; it is a key")
    return result


def _columns(rows: list[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Column -> its values, None in rows without it."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def spec_row(spec: RunSpec) -> dict[str, Any]:
    """The spec as a row of `runs`, its task by name.

    A value that is not text in a column of text is JSON text.
    """
    row = {}
    for name, value in {**dataclasses.asdict(spec), "task": spec.task_name}.items():
        is_text = isinstance(value, str | None)
        if RUNS.field(name).type == pa.string() and not is_text:
            value = json.dumps(value, sort_keys=True)
        row[name] = value
    return row


def reproducible(table: pa.Table) -> pa.Table:
    """The table without what a clock or the host decides: equal, bit for bit, between reruns."""
    names = [f.name for f in table.schema if (f.metadata or {}).get(b"clock") != b"yes"]
    if "metric" in names:
        clocked = pa.compute.equal(table["metric"], "epoch_seconds")
        table = table.filter(pa.compute.invert(clocked))
    return table.select(names)
