"""Which runs differ in one factor alone: framework, back end, arithmetic, activation or seed.

A block is a task's model, data and recipe: all that is no factor. A context is a block with all
factors but one, so that two runs of a context and a seed differ in that factor alone.
"""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pandas as pd

from actstudy.analysis.questions.seed_values import Frames, compared
from actstudy.contract.frameworks import TORCH
from actstudy.contract.plan import Plan, TaskPlan
from actstudy.contract.spec import DEFAULTS, RunSpec
from actstudy.study.grid import TASKS_OWN

NUMBERS = ("precision", "accumulate", "strict", "pack_width")  # fields of arithmetic beside engine
ACTIVATION = ("activation", "activation_args")
NO_BLOCK = ("seed", "framework", "engine", "code", *NUMBERS, *ACTIVATION)
BLOCK = [field.name for field in dataclasses.fields(RunSpec) if field.name not in NO_BLOCK]
FIRST = ("model", "dataset")  # which name a block before all other fields
EXACT = 2**53  # from here on floats skip integers
PLAIN = "eager"  # the engine of torch that Keras is compared with, if the study has it


class Factor(NamedTuple):
    """What differs within a context: columns that `labelled` adds.

    level: the one that differs; where: those that name the context beside its block; of: which runs
    are compared.
    """

    level: str
    where: tuple[str, ...]
    of: str


FACTORS = {
    "framework": Factor("framework", ("acts", "numbers"), "is_plain"),
    "back end": Factor("framework", ("acts", "numbers"), "is_keras"),
    "arithmetic": Factor("arithmetic", ("acts",), "is_torch"),
    "activation": Factor("acts", ("framework", "arithmetic"), "is_compared"),
}
SPEED = Factor("framework", ("acts", "numbers"), "is_compared")  # of all engines of torch
OF_RUNS = Factor("acts", ("framework", "arithmetic"), "is_compared")  # of a seed: every cell


def crosses_framework(settings: TaskPlan) -> bool:
    """Whether a task's runs differ in what trains them."""
    return len(settings.axes.get("framework", [])) > 1


def crossing(frames: Frames, plan: Plan) -> Iterator[tuple[str, TaskPlan, pd.DataFrame]]:
    """Each task that crosses `framework`, with its plan and its `labelled` runs, if it has any."""
    for task, settings in plan.tasks.items():
        if crosses_framework(settings):
            runs = labelled(frames, plan, task)
            if len(runs):
                yield task, settings, runs


def labelled(frames: Frames, plan: Plan, task: str) -> pd.DataFrame:
    """The runs of a task as `seed_values.compared` gives them, each once, with labels as text.

    Without those of other batches than their pairs (`with_batches`).
    """
    runs = with_batches(frames, plan, task)
    return runs if runs.empty else runs[runs["has_batches"]]


def with_batches(frames: Frames, plan: Plan, task: str) -> pd.DataFrame:
    """The runs of a task that have ended, with labels, and whether they may be a pair.

    block: the fields of BLOCK in which the task's runs differ, empty if in none; acts: the
    activation; numbers: the arithmetic without the engine, which is torch's alone; arithmetic: with
    it; is_torch, is_keras; is_plain: of Keras, or of the engine of torch that Keras is compared
    with: eager, or if the block has none of it the first; has_batches: whether its batches are
    those of the first run of torch of its block and seed (`order_hash`), else it is no pair of any.
    """
    runs = compared(frames, plan, task).drop_duplicates("run_id")
    if runs.empty:
        return runs
    runs = runs.assign(framework=_column(runs, "framework").fillna(TORCH))
    is_torch = runs["framework"] == TORCH
    numbers = _words(runs, NUMBERS)
    engines = _words(runs, ["engine"]).where(is_torch, "")
    runs = runs.assign(
        block=_block(runs, plan.tasks[task]),
        acts=_activations(runs, plan),
        numbers=numbers,
        arithmetic=_joined([numbers, engines]),
        is_torch=is_torch,
        is_keras=~is_torch,
        is_compared=True,
    )
    runs["is_plain"] = _is_plain(runs)
    runs = runs.sort_values("is_keras", kind="stable")
    order = _column(runs, "order_hash")
    first = order.groupby([runs["block"], runs["seed"]]).transform("first")
    has_batches = (order == first) | order.isna() | first.isna()
    return runs.assign(has_batches=has_batches).sort_index()


def contexts(runs: pd.DataFrame, factor: Factor) -> pd.DataFrame:
    """The runs of a factor's comparisons, in which `group` is their context and `level` its value.

    runs: as `labelled` gives them. at: the context without its block, of what differs in the
    study; own_group, own_level: the run's cell in the study.
    """
    runs = runs.rename(columns={"group": "own_group", "level": "own_level"})
    runs = runs[runs[factor.of].astype(bool)]
    where = []
    for name in factor.where:
        differs = runs.groupby("block")[name].transform("nunique") > 1
        where.append(runs[name].where(differs, ""))
    at = _joined(where)
    group = _joined([runs["block"], at])
    return runs.assign(at=at, group=group, level=runs[factor.level])


def pairs(runs: pd.DataFrame, factor: str, baseline: str) -> Iterator[tuple[str, str, str]]:
    """Group, level and the level that it is compared with, of runs as `contexts` gives them.

    Frameworks are compared with torch, arithmetics with the first of the study, activations with
    `baseline`, or with the first if they have no such, and back ends with each other.
    """
    first_of_all = {"framework": TORCH, "activation": baseline}.get(factor)
    for group, part in runs.groupby("group", sort=False):
        levels = list(part["level"].unique())
        if factor == "framework" and TORCH not in levels:
            continue
        levels.sort(key=lambda level: level != first_of_all)
        opponents = levels if factor == "back end" else levels[:1]
        for place, opponent in enumerate(opponents):
            for level in levels[place + 1 :]:
                yield str(group), level, opponent


def texts(runs: pd.DataFrame, name: str) -> pd.Series:
    """A field of each run as text, empty where it has none."""
    return _column(runs, name).map(_text)


def _column(runs: pd.DataFrame, name: str) -> pd.Series:
    """A column; of runs that are older than a field of specs the field's default."""
    if name not in runs:
        return pd.Series([DEFAULTS.get(name)] * len(runs), runs.index, dtype=object)
    return runs[name].astype(object).where(runs[name].notna(), None)


def _block(runs: pd.DataFrame, settings: TaskPlan) -> pd.Series:
    """The block of each run: `model=resnet50, dataset=cifar10`, in as few fields as tell it apart.

    Fields that follow from those before them, such as a width that each model has, are left out.
    """
    words: list[pd.Series] = []
    n_blocks = 1
    for name in [*FIRST, *(name for name in BLOCK if name not in FIRST)]:
        values = texts(runs, name) if name in runs else pd.Series("", runs.index)
        if name == "dataset":
            values = runs["data"].map(settings.data_label)
        if name == "model":
            values = values.replace("", TASKS_OWN)
        if values.nunique() < 2:
            continue
        several = [*words, f"{name}=" + values]
        n_apart = _joined(several).nunique()
        if n_apart > n_blocks:
            words = several
            n_blocks = n_apart
    return _joined(words) if words else pd.Series("", runs.index)


def _words(runs: pd.DataFrame, names: Iterable[str]) -> pd.Series:
    """Those of some fields in which the runs differ, as words: `bf16, accumulate=2`."""
    words = [pd.Series("", runs.index)]
    for name in runs.columns.intersection(list(names)):
        values = _column(runs, name)
        written = texts(runs, name)
        if written.nunique() > 1:
            is_word = values.map(lambda value: isinstance(value, str))
            words.append(written.where(is_word, f"{name}=" + written))
    return _joined(words)


def _activations(runs: pd.DataFrame, plan: Plan) -> pd.Series:
    """The activation of each run, as the study names it if it compares them."""
    if plan.compare == "activation":
        return runs["level"]
    names = texts(runs, "activation")
    arguments = texts(runs, "activation_args")
    return _joined([names, arguments.replace("{}", "")])


def _is_plain(runs: pd.DataFrame) -> pd.Series:
    """Whether a run is of Keras, or of that engine of torch in its block which Keras faces."""
    engines = _column(runs, "engine").fillna(PLAIN)
    is_plain = runs["is_keras"].copy()
    for _, own in engines[runs["is_torch"]].groupby(runs["block"]):
        beside = PLAIN if (own == PLAIN).any() else own.iloc[0]
        is_plain[own.index] = own == beside
    return is_plain


def _text(value: object) -> str:
    """A field's value as text, empty if it has none; a number's is the same from every file.

    Parquet has a column of numbers and words as text (`1.0`), a CSV perhaps as numbers.
    """
    if value is None:
        return ""
    number = _number(value)
    if number is None:
        return str(value)
    return f"{number:.0f}" if number.is_integer() and abs(number) < EXACT else f"{number:g}"


def _number(value: object) -> float | None:
    """A value that is a float, or the text of one as Python writes it: `1.0`, not `01` or `1`."""
    if isinstance(value, float):
        return value
    if not isinstance(value, str):
        return None
    with contextlib.suppress(ValueError):
        number = float(value)
        if str(number) == value:
            return number
    return None


def _joined(columns: Iterable[pd.Series]) -> pd.Series:
    """Columns of words as one, with commas between those that are not empty."""
    frame = pd.concat(list(columns), axis=1)
    rows = []
    for words in frame.itertuples(index=False):
        rows.append(", ".join(word for word in words if word))
    return pd.Series(rows, frame.index, dtype=object)
