"""What the literals DATASET and TASK may say: every key with its meaning and what is allowed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from actstudy.contract import schema
from actstudy.contract.allowed import (
    ARCHIVE,
    CLASSES,
    COUNT,
    DEFAULT_FIELDS,
    FILES,
    MARGIN,
    NUMBER,
    SHAPE,
    SWITCH,
    TARGETS,
    TEXT,
    TEXTS,
    Values,
    list_of,
    one_of,
)
from actstudy.contract.errors import StudyError, choices, nearest
from actstudy.contract.spec import DEFAULTS

TOKENIZED = ("passages", "text")  # kinds of data that become tokens, of a vocabulary and a context
NUMBERS = ("signals", "images", "table")
KINDS = (*NUMBERS, *TOKENIZED)
MODEL_FIELDS = (  # run fields that a model may use
    "hidden",
    "depth",
    "width",
    "stem",
    "heads",
    "norm",
    "dropout",
    "dropout_kind",
    "drop_path",
    "vocabulary",
    "context",
    "augment",
    "mix",
    "views",
    "loss",
    "loss_args",
)
TOKEN_FIELDS = ("vocabulary", "context")
RUN_FIELDS = [name for name in DEFAULTS if name not in ("task", "seed", "data_version", "recipe")]


@dataclass(frozen=True)
class Key:
    """A key; needed_by: the kinds of data of which a file must have it."""

    meaning: str
    values: Values
    needed_by: tuple[str, ...] = KINDS


DATASET: dict[str, Key] = {
    "title": Key("its name on pages and in `margin_reason`", TEXT),
    "kind": Key(
        "a row of the table above; a task takes data sets of its kinds alone", one_of(*KINDS)
    ),
    "version": Key(
        "1 at first; raise it when arrays change: all its runs are new runs then, and arrays "
        "prepared for another version are refused",
        COUNT,
    ),
    "source": Key("where the data come from; for readers", TEXT),
    "licence": Key("the terms under which they come; for readers", TEXT),
    "paper": Key("who made the data; for readers", TEXT, ()),
    "shape": Key(
        "the shape of one example, checked: `[40]`, or `[3, 32, 32]` (channels, height, width)",
        SHAPE,
        NUMBERS,
    ),
    "classes": Key(
        "number of classes, checked; its inverse is the chance level of the tasks",
        CLASSES,
        (*NUMBERS, "passages"),
    ),
    "target": Key(
        "`number` instead of `classes`, of a table: y is what a regression predicts, a number in "
        "its own unit",
        NUMBER,
        (),
    ),
    "train_rows": Key(
        "rows of the official train split, val included; with fewer the page says that it is a "
        "subset",
        COUNT,
        (),
    ),
    "files": Key(
        "of official files: name below `data/raw/` -> `sha256` (or `md5`) of the unpacked file and "
        "`url`, both optional: see below",
        FILES,
        (),
    ),
    "archive": Key(
        "of official files: `file`, the archive in `data/raw/` with all files, and `url`, if it "
        "may be fetched",
        ARCHIVE,
        (),
    ),
    "sha256": Key(
        "of an embedded file whose `prepare()` hands it to `prepared.read_embedded`", TEXT, ()
    ),
}

TASK: dict[str, Key] = {
    "title": Key("the model's name on pages", TEXT),
    "takes": Key(
        "the kinds of data sets that it takes, all of numbers or all of text", list_of(*KINDS)
    ),
    "metric": Key("the score of `evaluate` that is compared", one_of(*schema.METRICS)),
    "unit": Key("the metric's unit, on pages", TEXT),
    "higher_is_better": Key("whether a higher metric is better", SWITCH),
    "log_unit": Key(
        "the unit of differences of the metric's logarithm, if these are to be compared", TEXT, ()
    ),
    "net": Key("the file `lib/actstudy/nets/NET.py` of the model, with its literal `SITES`", TEXT),
    "nets": Key(
        "the files of `nets` that a study may name as `model`, the one of `net` among them; "
        "`build` makes the one that is named",
        TEXTS,
        (),
    ),
    "model_fields": Key(
        "the run fields that the model of `net` uses; others are refused", list_of(*MODEL_FIELDS)
    ),
    "packs": Key(
        "whether `engine: pack` may train it: for the model of `nets/mlp.py` alone", SWITCH, ()
    ),
    "predicts": Key(
        "`classes` of a data set that has them, `tokens`, `values` of one whose target is a "
        "number, or `pairs` of images, which example a view is of: which figures and words it gets",
        one_of("classes", "tokens", "values", "pairs"),
    ),
    "x_axis": Key("of the learning curves", one_of("step", "epoch")),
    "throughput_unit": Key("what its speed counts, such as `images/s`", TEXT),
    "targets": Key("values of the metric whose steps and seconds are tabled", TARGETS),
    "margin": Key("the difference of the metric (or its logarithm) that matters", MARGIN),
    "margin_reason": Key("why the margin is this one, in words", TEXT),
    "defaults": Key("a run field -> its value in this task, `dataset` among them", DEFAULT_FIELDS),
}

MODEL: dict[str, Key] = {
    "title": Key("the model's name on pages", TEXT),
    "fields": Key(
        "the run fields that `build` uses, but for those of the data; others are refused",
        list_of(*MODEL_FIELDS),
    ),
}


def check_model(declared: Any, where: str) -> None:
    """StudyError, in one line, if a literal MODEL is not as the table MODEL says."""
    _check(declared, MODEL, where)


def check_dataset(declared: Any, where: str) -> None:
    """StudyError, in one line, if a literal DATASET is not as the table DATASET says."""
    _check(declared, DATASET, where, _replaced(declared))
    if "target" in declared and declared["kind"] != "table":
        got = f"got {declared['target']!r} of {declared['kind']}"
        raise StudyError(f"{where}: target: {got}; allowed: of a table alone")
    if "target" in declared and "classes" in declared:
        raise StudyError(f"{where}: classes and target are both set; allowed: one of them")
    shape = list(declared.get("shape", ()))
    if declared["kind"] != "images":
        return
    allowed = "[channels, height, width]"
    if len(shape) != 3:
        raise StudyError(f"{where}: shape: got {shape} of images; allowed: {allowed}")
    if shape[2] in (1, 3, 4) and min(shape[:2]) > 4:
        mended = [shape[2], *shape[:2]]
        raise StudyError(f"{where}: shape: got {shape}; allowed: {allowed}, such as {mended}")


def check_task(declared: Any, where: str) -> None:
    """StudyError, in one line, if a literal TASK is not as the table TASK says."""
    _check(declared, TASK, where)
    tokenized = [kind in TOKENIZED for kind in declared["takes"]]
    if len(set(tokenized)) > 1:
        allowed = f"of {', '.join(NUMBERS)}, or of {', '.join(TOKENIZED)}"
        raise StudyError(f"{where}: takes: got {declared['takes']}; allowed: {allowed}")
    for name in TOKEN_FIELDS:
        if (name in declared["model_fields"]) != tokenized[0]:
            verb = "lacks" if tokenized[0] else "has"
            fault = f"{verb} {name}, and takes is {declared['takes']}"
            raise StudyError(f"{where}: model_fields: {fault}; allowed: with data of text alone")
    if declared["predicts"] == "classes" and "text" in declared["takes"]:
        raise StudyError(f"{where}: predicts: got 'classes', and text has none; allowed: tokens")
    if declared["predicts"] == "values" and declared["takes"] != ["table"]:
        got = f"got 'values', and takes is {declared['takes']}"
        raise StudyError(f"{where}: predicts: {got}; allowed: of data sets of table alone")
    if declared["predicts"] == "pairs" and declared["takes"] != ["images"]:
        got = f"got 'pairs', and takes is {declared['takes']}"
        raise StudyError(f"{where}: predicts: {got}; allowed: of data sets of images alone")
    for name in declared["defaults"]:
        _check_name(name, RUN_FIELDS, f"{where}: defaults")


def _replaced(declared: Any) -> tuple[str, ...]:
    """The keys that a data set need not have: those of classes, if its target is a number."""
    return ("classes",) if isinstance(declared, dict) and "target" in declared else ()


def _check(
    declared: Any, keys: Mapping[str, Key], where: str, replaced: tuple[str, ...] = ()
) -> None:
    """StudyError if a key is unknown or missing, or a value is not allowed.

    replaced: keys that need not be there.
    """
    if not isinstance(declared, dict):
        raise StudyError(f"{where}: got {declared!r:.80}; allowed: a mapping")
    for name, value in declared.items():
        _check_name(name, keys, where)
        _check_value(value, keys[name].values, f"{where}: {name}")
    kind = declared.get("kind", KINDS[0])
    needed = [name for name in keys if kind in keys[name].needed_by and name not in replaced]
    absent = [name for name in needed if name not in declared]
    if absent:
        first = keys[absent[0]]
        meaning = f"{absent[0]} is {first.meaning}; allowed: {first.values.allowed}"
        raise StudyError(f"{where}: missing: {', '.join(absent)}; {meaning}")


def _check_name(name: Any, known: Iterable[str], where: str) -> None:
    """StudyError, with the nearest allowed one, if a key is not known."""
    if name not in known:
        raise StudyError(f"{where}: unknown key {name!r}; {choices(name, known)}")


def _check_value(value: Any, values: Values, where: str) -> None:
    """StudyError, with the name nearest to the first wrong part, if a value is not allowed."""
    if values.fit(value):
        return
    parts = value if isinstance(value, list | tuple) else [value]
    wrong = [part for part in parts if part not in values.names]
    hint = nearest(wrong[0], values.names) if wrong else ""
    raise StudyError(f"{where}: got {value!r:.80}; {hint}allowed: {values.allowed}")
