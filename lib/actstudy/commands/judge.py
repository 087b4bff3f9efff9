"""`judge`: verdicts on anyone's runs, from the files that their tools wrote."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from actstudy.commands import judge_files, numbers
from actstudy.commands.parser import Parser
from actstudy.contract import errors
from actstudy.contract.errors import StudyError

if TYPE_CHECKING:
    from actstudy.judging.question import Question
    from actstudy.judging.scores import Scores

EXAMPLES = """actstudy judge runs.csv --baseline adamw --margin 0.005
actstudy judge a.csv b.csv --baseline a --margin 0.1 --lower-is-better --figure forest.png
actstudy judge runs.csv --baseline adamw --margin cifar=0.005 lm=0.02 --json"""
READ = {  # a field of readers.Options -> its help
    "value": "column or metric that is judged",
    "level": "column of what is compared: optimizer, model, ...",
    "seed": "column of seeds, or of names of runs",
    "task": "column of tasks, each of which is judged by itself",
    "group": "column of settings within which levels are compared",
    "diverged": "column that says which runs diverged; nan: all without a finite value; none: no"
    " run, those with an empty value were never made",
    "step": "column of steps, if a run has several rows",
    "pick": "which of several values of a run counts: last, best, mean, min:NAME, max:NAME",
    "run_name": "how names of runs are made: {level}/seed{seed}",
    "kind": "the reader, if the source does not say it",
}
ANYTIME = "anytime"  # of `question`, which this file does not import to start


def add_flags(parser: Parser) -> None:
    """The sources, what is asked of them, and the form of the answer."""
    parser.add_argument("sources", nargs="+", type=Path, metavar="SOURCE", help="files or folders")
    parser.add_argument("--baseline", metavar="LEVEL", help="what the others are compared with")
    parser.add_argument(
        "--margin",
        nargs="+",
        metavar="MARGIN",
        help="smallest difference that matters, in the unit of the values: a number, or TASK=NUMBER"
        " for each task",
    )
    direction = parser.add_mutually_exclusive_group()
    direction.add_argument("--lower-is-better", action="store_true", help="of the values")
    direction.add_argument("--higher-is-better", action="store_true", help="the default")
    pairing = parser.add_mutually_exclusive_group()
    pairing.add_argument(
        "--paired",
        action="store_true",
        default=None,
        help="runs of one seed belong together (default: if both sides have the same seeds)",
    )
    pairing.add_argument(
        "--unpaired", dest="paired", action="store_false", default=None, help="they do not"
    )
    parser.add_argument("--unit", help="of the values, for tables and figure")
    for name, words in READ.items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="NAME", help=words)
    parser.add_argument("--figure", type=Path, metavar="FILE", help="forest as PNG, PDF or SVG")
    parser.add_argument("--page", type=Path, metavar="FILE", help="the answer as Markdown")
    parser.add_argument("--json", action="store_true", help="the answer as JSON")
    _add_forms(parser)


def _add_forms(parser: Parser) -> None:
    """Flags that say which tests answer."""
    looks = parser.add_mutually_exclusive_group()
    looks.add_argument("--looks", action="store_true", help="seeds came at 8, 12 and 20, in order")
    looks.add_argument(
        "--anytime",
        dest="looks",
        action="store_const",
        const=ANYTIME,
        help="seeds came one by one, in order, and are looked at whenever",
    )
    parser.add_argument(
        "--equivalence",
        action="store_true",
        help="is each level the same as the baseline: neither worse nor better by the margin?",
    )
    parser.add_argument(
        "--rules", type=Path, metavar="FILE", help="the source is a table of records, judged by it"
    )
    parser.add_argument(
        "--family",
        choices=("task", "study"),
        default="task",
        help="what the 5%% of false verdicts are for: each task, or all together",
    )
    parser.add_argument(
        "--chance",
        type=numbers.finite,
        metavar="VALUE",
        help="value of a model that knows nothing: runs that fell to it collapsed",
    )


def judge(arguments: argparse.Namespace) -> int:
    """Print the sentence, the table and what was assumed, and write what was asked for."""
    from actstudy.judging import answer as answering
    from actstudy.judging import headline, words

    judge_files.check(arguments.figure, arguments.page)
    if arguments.rules:
        return judge_records(arguments)
    source = ", ".join(map(str, arguments.sources))
    scores = read_sources(arguments)
    question = question_of(arguments, scores)
    if arguments.equivalence:
        return judge_sameness(arguments, scores, question, source)
    answer = answering.answer(scores, question, source)
    judge_files.write(answer, arguments.figure, arguments.page)
    if arguments.json:
        print(json.dumps(words.as_data(answer), indent=1))
        return 0
    print("\n".join(headline.sentences(answer)))
    for head, table in words.tables(answer):
        print(f"\n{errors.visible(head)}:\n" if head else "")
        print(table)
    print_assumptions(answer.assumptions)
    return 0


def print_assumptions(sentences: Sequence[str]) -> None:
    """Print what was taken for granted."""
    print("\nassumed:")
    for sentence in sentences:
        print(f"- {sentence}")


def judge_records(arguments: argparse.Namespace) -> int:
    """Print which records of a published table stand."""
    from actstudy.judging.records import report

    for flag in ("baseline", "margin", "figure", "page"):
        if getattr(arguments, flag):
            raise StudyError(f"command line: --{flag}: given with --rules; allowed: one of the two")
    if len(arguments.sources) > 1:
        raise StudyError(f"--rules: got {len(arguments.sources)} sources; allowed: one table")
    text, data = report.report(arguments.sources[0], arguments.rules)
    print(json.dumps(data, indent=1) if arguments.json else text.rstrip())
    return 0


def judge_sameness(
    arguments: argparse.Namespace, scores: "Scores", question: "Question", source: str
) -> int:
    """Print whether each level is the same as the baseline."""
    from actstudy.judging import sameness

    if arguments.figure or arguments.page:
        raise StudyError("--equivalence: got --figure or --page; allowed: --json, or neither")
    answer = sameness.same(scores, question, source)
    if arguments.json:
        print(json.dumps(sameness.as_data(answer), indent=1))
        return 0
    print("\n".join(sameness.sentences(answer)))
    print_assumptions(answer.assumptions)
    return 0


def read_sources(arguments: argparse.Namespace) -> "Scores":
    """The scores of all sources together, with what the command line says of them."""
    import dataclasses

    from actstudy.judging import answer as answering
    from actstudy.judging import readers

    own = {name: getattr(arguments, name) for name in READ}
    options = readers.Options(**own, higher_is_better=not arguments.lower_is_better)
    parts = []
    for source in arguments.sources:
        scores = readers.read(source, options)
        if arguments.lower_is_better:
            scores = dataclasses.replace(scores, higher_is_better=False)
        if arguments.unit:
            scores = dataclasses.replace(scores, unit=arguments.unit)
        parts.append((str(source), scores))
    source = ", ".join(map(str, arguments.sources))
    scores = answering.with_direction(answering.joined(parts), arguments.higher_is_better, source)
    if arguments.chance is not None and "chance" not in scores.frame:
        frame = scores.frame.assign(chance=arguments.chance)
        scores = dataclasses.replace(scores, frame=frame)
    return scores


def question_of(arguments: argparse.Namespace, scores: "Scores") -> "Question":
    """What is asked; StudyError that names what the source has if a flag is missing."""
    from actstudy.judging.question import Question

    levels = scores.frame if scores.summaries is None else scores.summaries
    if arguments.baseline is None:
        known = levels["level"].astype(str).unique() if "level" in levels else []
        raise StudyError(f"command line: --baseline: missing; {errors.choices('', known)}")
    if arguments.margin is None:
        raise StudyError(
            "command line: --margin: missing; allowed: the smallest difference that matters, in "
            "the unit of the values, stated before the numbers are seen"
        )
    return Question(
        arguments.baseline,
        numbers.margin_of(arguments.margin),
        arguments.paired,
        arguments.looks,
        arguments.family,
    )
