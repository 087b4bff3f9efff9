"""`gate`: may a change be kept? The answer is the exit status, and a line of the ledger."""

import argparse
import json
import math
from pathlib import Path
from typing import Any

from actstudy.commands.internal import Command
from actstudy.commands.numbers import number_of
from actstudy.commands.parser import Parser
from actstudy.contract.errors import StudyError, visible

EXAMPLES = """actstudy gate ledger.jsonl --candidate new.csv --baseline old.csv --margin 0.002
actstudy gate ledger.jsonl --candidate new.csv --baseline old.csv --json
actstudy gate ledger.jsonl --failed "out of memory" --name wider"""
MIN_SEEDS = 8  # that `--max-seeds` allows
MAX_SEEDS = 1_000  # that it allows
REFUSED = 3  # exit status: the question is none, or the ledger was edited


def add_flags(parser: Parser) -> None:
    """The ledger, the runs of both sides, and what a new ledger fixes."""
    parser.add_argument(
        "ledger",
        type=Path,
        help="its file, which is made if there is none: one line an attempt, one error budget",
    )
    parser.add_argument(
        "--candidate",
        metavar="RUNS",
        help="runs with the change: a CSV file with columns seed and value, a row per run;"
        " FILE@LEVEL for one level of several",
    )
    parser.add_argument("--baseline", metavar="RUNS", help="runs without it, likewise")
    parser.add_argument("--value", default="value", help="column that is compared")
    parser.add_argument("--seed", default="seed", help="column with the seeds")
    parser.add_argument(
        "--name", dest="label", metavar="NAME", default="", help="what the candidate is called"
    )
    parser.add_argument(
        "--diff", type=Path, metavar="FILE", help="change of code, a unified diff as of `git diff`"
    )
    parser.add_argument(
        "--failed",
        metavar="REASON",
        help="write an attempt without runs into the ledger: it crashed, or was abandoned",
    )
    parser.add_argument(
        "--head",
        default="",
        metavar="HASH",
        help="hash of a line that the ledger must hold, as an earlier answer gave it",
    )
    parser.add_argument("--json", action="store_true", help="the answer as JSON")
    add_rules(parser)


def add_rules(parser: Parser) -> None:
    """What the first line of a ledger fixes."""
    new = parser.add_argument_group("what a new ledger fixes")
    new.add_argument(
        "--margin",
        type=_positive,
        help="smallest gain that matters (default: 1 sd of a difference)",
    )
    new.add_argument("--lower-is-better", action="store_true", default=None)
    new.add_argument(
        "--noise",
        choices=("symmetric", "normal"),
        help="of differences: symmetric (default), as often up as down if nothing changed; normal"
        " takes a seed less",
    )
    new.add_argument(
        "--max-seeds", type=_count, metavar="N", help="seeds of one attempt (default: 100)"
    )


def gate(arguments: argparse.Namespace) -> int:
    """Print the answer; 0 keep, 1 do not, 2 not enough seeds, 3 refused."""
    try:
        answer = answer_of(arguments)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, StudyError):
            raise
        fault = f"the gate failed, which is no verdict: {type(error).__name__}: {error}"
        raise StudyError(fault) from error
    if arguments.json:
        print(json.dumps(answer, indent=1))
    else:
        from actstudy.judging.gate import replies

        print("\n".join(visible(line) for line in replies.words(answer)))
    return int(answer["exit"])


def answer_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The answer to the question of the flags, as `--json` prints it."""
    from actstudy.judging.gate import changes, gate, proposals, replies
    from actstudy.judging.gate.attempts import Question

    columns = proposals.Columns(arguments.seed, arguments.value)
    change = changes.hash_of_change(arguments.diff) if arguments.diff else ""
    if arguments.failed is not None:
        side = None
        if arguments.candidate or arguments.label or change:
            side = proposals.Side("", {}, {}, arguments.label, change)
        if arguments.candidate:
            side = proposals.read_side(arguments.candidate, columns, arguments.label, change)
        line = gate.give_up(
            arguments.ledger, side, arguments.label, arguments.failed, stated(arguments)
        )
        return replies.of_line(line)
    for flag in ("candidate", "baseline"):
        if not getattr(arguments, flag):
            raise StudyError(f"command line: --{flag}: got nothing; allowed: a file of runs")
    candidate = proposals.read_side(arguments.candidate, columns, arguments.label, change)
    baseline = proposals.read_side(arguments.baseline, columns)
    question = Question(candidate, baseline)
    return replies.of_line(gate.ask(arguments.ledger, question, stated(arguments), arguments.head))


def stated(arguments: argparse.Namespace) -> dict[str, Any]:
    """The rules of a ledger that the flags name."""
    rules: dict[str, Any] = {}
    for name in ("margin", "noise", "max_seeds"):
        value = getattr(arguments, name)
        if value is not None:
            rules[name] = value
    if arguments.lower_is_better:
        rules["higher_is_better"] = False
    return rules


def _positive(text: str) -> float:
    """A number above 0, from a flag's text."""
    value = number_of(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"got {text!r:.40}; allowed: a number above 0")
    return value


def _count(text: str) -> int:
    """A number of seeds, from a flag's text."""
    if not text.isdecimal() or not MIN_SEEDS <= int(text) <= MAX_SEEDS:
        allowed = f"allowed: {MIN_SEEDS} to {MAX_SEEDS}"
        raise argparse.ArgumentTypeError(f"got {text!r:.40}; {allowed}")
    return int(text)


COMMAND = Command(
    "gate",
    "may a change be kept? Exit status 0 keep, 1 do not, 2 not enough seeds, 3 refused",
    add_flags,
    gate,
    examples=EXAMPLES,
    refused=REFUSED,
)
