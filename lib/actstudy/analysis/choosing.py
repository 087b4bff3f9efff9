"""What measured cells answer to a question: which activation is best here?"""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import yaml

from actstudy.analysis import evidence
from actstudy.analysis.evidence import Cell
from actstudy.analysis.questions import choice
from actstudy.contract import checkout
from actstudy.contract.errors import StudyError
from actstudy.study import planning

MAX_NEAREST = 3
SEEDS = 8  # of the study that would answer: the fewest that have a verdict
GATED = ("geglu", "swiglu")  # compared in it too, if its model takes them
ANY_TASK = "mlp"  # of that study, if no task is asked for: the smallest model
Answer = tuple[Cell, pd.DataFrame]  # a cell, and its rows as `choice.ordered` gives them


class Question(NamedTuple):
    """What is asked for; tasks: empty for any, someone's own too."""

    fields: dict[str, Any]
    tasks: Sequence[str]
    device: str | None
    matters: str
    budget: float | None

    @property
    def words(self) -> str:
        """The question in words: `mlp, depth=7`."""
        words = [" or ".join(self.tasks) or "any task"]
        words += [f"{name}={plain(value)}" for name, value in self.fields.items()]
        if self.device:
            words.append(f"device={self.device}")
        if self.budget is not None:
            words.append(f"at most {self.budget:g} s of training")
        return ", ".join(words)


def answers_of(cells: Iterable[Cell], question: Question) -> list[Answer]:
    """The cells that fit a question, each with its rows in order."""
    texts = evidence.asked_texts(question.fields)
    answers = []
    for cell in cells:
        is_of_task = not question.tasks or cell.task in question.tasks
        if is_of_task and not evidence.differing(cell, texts, question.device):
            rows = rows_of(cell, question)
            answers += [] if rows is None else [(cell, rows)]
    return answers


def rows_of(cell: Cell, question: Question) -> pd.DataFrame | None:
    """The rows of one cell in order; None if no activation of it is within the budget."""
    rows = unordered(cell, costs_of(cell), question.budget)
    return None if rows is None else choice.ordered(rows, question.matters)


def costs_of(cell: Cell) -> pd.DataFrame:
    """What the activations of a cell cost, as `choice.costs`."""
    return choice.costs(cell.runs, cell.settings.metric)


def unordered(cell: Cell, costs: pd.DataFrame, budget: float | None) -> pd.DataFrame | None:
    """The rows of one cell with their costs; None if no activation of it is within the budget."""
    doubles = cell.doubles
    levels = [level for _, level in cell.values.values if level not in doubles]
    values = evidence.of_levels(cell.values, levels)
    if budget is not None:
        quick = costs.index[costs["train_seconds"] <= budget]
        values = evidence.of_levels(values, quick)
        if values.values.empty:
            return None
    return choice.choice(values, cell.settings).join(costs)


def nearest_cells(cells: Iterable[Cell], question: Question) -> list[str]:
    """The cells that differ in the fewest ways from what is asked for, and in which ones."""
    texts = evidence.asked_texts(question.fields)
    lines = []
    for cell in cells:
        if question.tasks and cell.task not in question.tasks:
            continue
        unlike = evidence.differing(cell, texts, question.device)
        words = ", ".join(unlike) or over_budget(costs_of(cell))
        lines.append((len(unlike), f"{cell.name}: {words}"))
    lines.sort(key=lambda line: line[0])
    return [line for _, line in lines[:MAX_NEAREST]]


def over_budget(costs: pd.DataFrame) -> str:
    """That no activation of a cell is within the budget, and what the fastest one took."""
    seconds = costs["train_seconds"].dropna()
    if seconds.empty:
        return "no run was timed alone"
    fastest = f"{seconds.idxmin()}, the fastest, took {seconds.min():.3g} s"
    return f"nothing that was timed is within the budget: {fastest}"


def no_data(cells: Iterable[Cell], question: Question) -> dict[str, Any]:
    """What is said without an answer: what is nearest to one, and the study that would give it."""
    study = study_of(question)
    fault = fault_of(study)
    if question.budget is not None and answers_of(cells, question._replace(budget=None)):
        fault = "it is measured, and no activation that was timed is within the budget"
    return {
        "no_data": f"no data: no measured cell compares activations in {question.words}",
        "nearest": nearest_cells(cells, question),
        "study": study,
        "fault": fault,
    }


def study_of(question: Question) -> str:
    """The text of a study that measures the cell that is asked for; gated ones if it takes them."""
    every = _study_with(question, GATED)
    return _study_with(question, ()) if fault_of(every) else every


def _study_with(question: Question, more: Sequence[str]) -> str:
    """The text of a study of the default study's activations and some more."""
    task = question.tasks[0] if question.tasks else ANY_TASK
    default = planning.load(checkout.ROOT / checkout.DEFAULT_STUDY)
    block = {name: plain(value) for name, value in question.fields.items()}
    content: dict[str, Any] = {
        "baseline": next(iter(default.tasks.values())).baseline,
        "seeds": SEEDS,
        "device": question.device,
        "axes": {"activation": [*default.activations, *more]},
        "tasks": {task: block or None},
    }
    if question.device not in ("cpu", "cuda"):
        del content["device"]
    return str(yaml.safe_dump(content, sort_keys=False, width=1000))


def fault_of(study: str) -> str:
    """Why such a study is refused, empty if it is not."""
    with tempfile.TemporaryDirectory(prefix="actstudy-choose-") as folder:
        file = Path(folder, "asked.yaml")
        file.write_text(study, encoding="utf-8")
        try:
            planning.load(file)
        except StudyError as error:
            return str(error).removeprefix(f"{file}: ")
    return ""


def plain(value: Any) -> Any:
    """A value as YAML has it: tuples are lists."""
    return list(map(plain, value)) if isinstance(value, tuple | list) else value
