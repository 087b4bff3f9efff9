"""The command line's parser."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from actstudy.contract import locks, registry
from actstudy.contract.errors import StudyError


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line; task: the task whose defaults `train --help` shows."""

    def __init__(self, *, task: str | None = None, **settings: Any) -> None:
        super().__init__(**settings, allow_abbrev=False)
        self.task = task

    def error(self, message: str) -> NoReturn:
        raise StudyError(f"command line: {message}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        flush_output()
        super().exit(status, message)

    def flags(self) -> list[str]:
        """Every flag that this parser knows."""
        names: list[str] = []
        for action in self._actions:
            names += action.option_strings
        return names


def flush_output() -> None:
    """Print what is left to print; an OSError names the output."""
    with locks.naming(Path("standard output")):
        sys.stdout.flush()


def named_task(argv: Sequence[str]) -> str | None:
    """The task that a command line names with --task, or None."""
    parser = Parser(add_help=False)
    parser.add_argument("--task", nargs="?")
    task = parser.parse_known_args(argv)[0].task
    return task if task in registry.tasks() else None
