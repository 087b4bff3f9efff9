"""The command line's parser."""

import argparse
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from actstudy.contract import errors, locks, own, registry
from actstudy.contract.errors import StudyError

TASKS = {"gpt": "lm", "encoder": "cls", "cnn": "vision"}  # kind of model -> the task that trains it


class Layout(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Paragraphs as written, and the default of a flag that has one and does not state it."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        is_plain = action.default is None or action.default is False
        if is_plain or "(default" in (action.help or ""):
            return action.help
        return super()._get_help_string(action)


class OrPaths(tuple[str, ...]):
    """Names that a flag allows; import paths of someone's own are in them too."""

    def __contains__(self, name: object) -> bool:
        return own.is_path(name) or super().__contains__(name)


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line; task: the task whose defaults `train --help` shows.

    examples: command lines at the end of `--help`.
    """

    def __init__(self, *, task: str | None = None, examples: str = "", **settings: Any) -> None:
        super().__init__(**settings, formatter_class=Layout, allow_abbrev=False)
        self.task = task
        if examples:
            self.epilog = textwrap.indent(f"examples:\n{examples}", "  ")[2:]

    def error(self, message: str) -> NoReturn:
        raise StudyError(f"command line: {message}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """argparse's check of `choices`, with the nearest name first."""
        if action.choices is not None and value not in action.choices:
            names = [str(choice) for choice in action.choices]
            if isinstance(action, argparse._SubParsersAction):
                names = [command.dest for command in action._get_subactions()]  # that have a help
            meant = TASKS.get(str(value), value)
            raise argparse.ArgumentError(
                action, f"got {str(value)!r:.80}; {errors.choices(meant, names)}"
            )

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        flush_output()
        super().exit(status, message)

    def flags(self) -> list[str]:
        """Every flag that this parser knows."""
        names: list[str] = []
        for action in self._actions:
            names += action.option_strings
        return names


def nearest_flag(word: str, flags: Sequence[str]) -> str:
    """A hint `did you mean '--lr'? ` with the flag that is closest to a word, or an empty string.

    Flags are compared by their names, so that names of other programs count: --learning-rate.
    """
    flags_by_name = {_name_of(flag): flag for flag in flags}
    name = errors.meant(_name_of(word), list(flags_by_name))
    return f"did you mean {flags_by_name[name]!r}? " if name else ""


def _name_of(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")


def add_modules_flag(parser: Parser) -> None:
    """Where own code is looked for; the command line follows it before the command starts."""
    parser.add_argument(
        "--modules",
        type=Path,
        metavar="FOLDER",
        help="folder in which modules of your own are looked for first",
    )


def existing_folder(folder: Path, flag: str) -> Path:
    """The folder of a flag; StudyError if there is none."""
    if not folder.is_dir():
        raise StudyError(f"command line: {flag}: got {str(folder)!r}; allowed: a folder")
    return folder


def flush_output() -> None:
    """Print what is left to print; an OSError names the output."""
    with locks.naming(Path("standard output")):
        sys.stdout.flush()


def named_task(argv: Sequence[str]) -> str | None:
    """The task that a command line names with --task, or None."""
    parser = Parser(add_help=False)
    parser.add_argument("--task", nargs="?")
    task = parser.parse_known_args(argv)[0].task
    try:
        return registry.check_task(str(task))
    except StudyError:  # said when the flag is read
        return None
