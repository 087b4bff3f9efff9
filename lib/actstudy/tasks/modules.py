"""A task's module: a file of this room, or someone's own by its import path."""

import importlib
from typing import Any

from actstudy.contract import own, own_import, registry
from actstudy.contract.errors import StudyError


def load(task: str) -> Any:
    """The module of a task; StudyError if it fails, or if its TASK is not as its literal says."""
    if own.is_path(task):
        own_import.load(task)
        where = f"{own.find(task).file}: TASK"
        module = importlib.import_module(task.partition(":")[0])
    else:
        where = f"lib/actstudy/tasks/{task}.py: TASK"
        module = importlib.import_module(f"actstudy.tasks.{task}")
    if registry.task(task) != module.TASK:
        raise StudyError(f"{where}: changed after its literal; allowed: the literal alone")
    return module
