"""`inspect`: what someone's own code does, for planning, which imports neither it nor torch."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from actstudy.commands.parser import Parser
from actstudy.contract import own, own_import
from actstudy.contract.errors import StudyError
from actstudy.study.model_questions import AUTO

Question = dict[str, Any]


def add_flags(parser: Parser) -> None:
    """None: the request comes on stdin."""


def inspect(arguments: argparse.Namespace) -> int:
    """Write a line of JSON per question of the request on stdin (`study/inspection.py`).

    The exit status is 2 if the last one is a fault.
    """
    import torch

    torch.set_num_threads(1)
    request = json.load(sys.stdin)
    for folder in reversed(request["folders"]):
        own.look_in(Path(folder))
    with _answers() as out:
        for question in request["questions"]:
            line = _line(question)
            print(json.dumps(line), file=out, flush=True)
            if "fault" in line:
                return 2
    return 0


@contextmanager
def _answers() -> Iterator[TextIO]:
    """Where answers go: stdout as it was. What own code prints meanwhile goes to stderr."""
    sys.stdout.flush()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        yield out


def _line(question: Question) -> dict[str, Any]:
    """The answer to a question, or the fault of the code that it asks about."""
    try:
        return ANSWERS[question["kind"]](question)
    except StudyError as fault:
        return {"fault": " ".join(str(fault).splitlines())}
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too
        return {"fault": f"{question['path']}: {own_import.blame(error)}"}


def _activation(question: Question) -> dict[str, Any]:
    """Whether an activation learns, keeps values, and acts on each element alone."""
    from actstudy.nets import own_contract

    answer = own_contract.examine(question["path"], question["args"])
    if question["init"] == AUTO:
        own_contract.check_gain(question["path"], question["args"])
    return answer


def _model(question: Question) -> dict[str, Any]:
    """The sites of a model and its number of parameters."""
    from actstudy.training import trial

    return trial.examine(question)


ANSWERS: dict[str, Callable[[Question], dict[str, Any]]] = {
    "activation": _activation,
    "model": _model,
}
