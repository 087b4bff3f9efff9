"""`actstudy COMMAND`: each command imports only the wing that it needs."""

import argparse
import gc
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import actstudy
from actstudy.commands import completion, leaving, run_words
from actstudy.commands.internal import INTERNAL, Command, refusal
from actstudy.commands.listed import LISTED
from actstudy.commands.parser import (
    Parser,
    existing_folder,
    flush_output,
    named_task,
    nearest_flag,
)
from actstudy.contract import checkout, errors, invocation, own, store
from actstudy.contract.errors import StudyError

COMMANDS = (
    *LISTED,
    Command(
        "completion",
        "print what completes commands and flags in a shell",
        completion.add_flags,
        lambda arguments: completion.completion(arguments, _parser(None)),
        examples=completion.EXAMPLES,
    ),
    *INTERNAL,
)
FOR_PROGRAMS = ("judge", "gate")  # whose refusals are JSON on stdout if it is asked for
DESCRIPTION = "Compare activation functions: train single runs, follow a study, read what it gave."
EXAMPLES = """actstudy train --task mlp --activation gelu --seed 0
actstudy template --task mlp > mine.yaml
actstudy run mine.yaml
actstudy status --config mine.yaml
actstudy COMMAND --help"""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run one command; exit 2 with one line on bad input (`gate`: 3), 75 if it can resume."""
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        checkout.refuse_other_code(Path.cwd())
        if not argv:
            _parser(None).print_help()
            raise SystemExit(2)
        arguments = _parsed(argv)
        if getattr(arguments, "modules", None):
            own.look_in(existing_folder(arguments.modules, "--modules"))
        if not arguments.trains and not gc.isenabled():  # __main__ has disabled it for the imports
            gc.freeze()  # imported code is no garbage
            gc.enable()
        status = leaving.status_of(arguments)
        flush_output()
        sys.exit(status)
    except (StudyError, store.Damaged) as error:
        refuse(error, argv)
    except ModuleNotFoundError as error:
        refuse(leaving.missing_package(error), argv)
    except BrokenPipeError:
        leaving.drop_output()
        sys.exit(leaving.CLOSED_PIPE)
    except OSError as error:
        leaving.drop_output()
        refuse(errors.system_fault(error), argv)
    except KeyboardInterrupt:
        sys.exit(130)


def refuse(fault: object, argv: Sequence[str]) -> NoReturn:
    """Refuse in one line on stderr; commands of programs say it on stdout too, with --json."""
    status = refusal(argv, COMMANDS)
    if argv[:1] and argv[0] in FOR_PROGRAMS and "--json" in argv:
        reason = errors.visible(" ".join(str(fault).splitlines()))
        print(json.dumps({"verdict": "refused", "exit": status, "reason": reason}, indent=1))
    errors.refuse(fault, status)


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command line; StudyError with the nearest flag if one is unknown."""
    arguments, unknown = _parser(named_task(argv), argv[0]).parse_known_args(argv)
    if arguments.passes:
        arguments.words = list(argv[1:])
    elif unknown:
        flag = unknown[0]
        hint = _meant(flag, arguments.flags)
        all_flags = f"{invocation.program()} {arguments.name} --help lists all"
        raise StudyError(f"command line: {flag}: unknown; {hint}{all_flags}")
    return arguments


def _meant(word: str, flags: Sequence[str]) -> str:
    """A hint on what an unknown word of a command line may mean; flags: of its command."""
    is_file = Path(word).suffix in run_words.YAML and not word.startswith("-")
    if is_file and "--config" in flags:
        return f"did you mean `--config {word}`? "
    pair = run_words.meant_pair(word) if "--set" in flags else ""
    return pair or nearest_flag(word.split("=")[0], flags)


def _parser(task: str | None, name: str | None = None) -> Parser:
    """The parser of all commands; task: the one whose defaults `train --help` shows.

    name: the command that alone is needed; None: all. All without flags if it is none of them.
    """
    parser = Parser(prog="actstudy", description=DESCRIPTION, examples=EXAMPLES)
    parser.add_argument("--version", action="version", version=f"actstudy {actstudy.__version__}")
    parsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in [command for command in COMMANDS if command.name == name] or COMMANDS:
        listed: Any = {} if command.internal else {"help": command.help}
        own_parser = parsers.add_parser(
            command.name,
            description=f"{command.help[0].upper()}{command.help[1:]}.",
            examples=command.examples,
            task=task,
            **listed,
        )
        if name in (None, command.name):
            command.add_flags(own_parser)
        own_parser.set_defaults(
            run=command.run,
            trains=command.trains,
            passes=command.passes,
            flags=own_parser.flags(),
            name=command.name,
        )
    return parser
