"""An answer as a page of Markdown."""

from actstudy.analysis.markdown import prose
from actstudy.contract.plan import ANYTIME
from actstudy.judging.answer import Answer
from actstudy.judging.question import PAIRED, SUMMARIES
from actstudy.judging.words import sentences, tables

TESTS = {
    PAIRED: "Each verdict is of the step-down max |t| test under sign flips, or of two one-sided t "
    "tests for equivalence",
    SUMMARIES: "Each verdict is of Welch's t test with Holm's method, or of two one-sided Welch "
    "tests for equivalence",
}
ANYTIME_TESTS = (
    "Each verdict is of a bet on the differences, seed by seed, by a t test's gambler on each side "
    "(docs/statistics.md)"
)
UNPAIRED_TESTS = (
    "Each verdict is of Welch's p, step-down under permutations of the runs, or of two one-sided "
    "Welch tests for equivalence"
)


def page(answer: Answer, picture: str = "") -> str:
    """The page: sentence, table, figure, what was assumed; picture: the figure's file, if any."""
    lines = [f"# {prose(answer.source)}", ""]
    for sentence in sentences(answer):
        lines += [prose(sentence), ""]
    for head, table in tables(answer):
        lines += [f"## {prose(head)}", ""] if head else []
        lines += [table, ""]
    if picture:
        lines += [f"![Differences from the baseline, with intervals and verdicts]({picture})", ""]
    lines += ["## What was assumed", ""]
    lines += [f"- {prose(sentence)}" for sentence in answer.assumptions]
    tests = TESTS.get(answer.contrasts.attrs["method"], UNPAIRED_TESTS)
    if answer.question.looks == ANYTIME:
        tests = ANYTIME_TESTS
    family = "of all tasks together" if answer.question.family == "study" else "of each task"
    lines += [
        f"- {tests}: at most 5% of false verdicts in the family {family}.",
        "- Levels that may be the best: the truly best one is among them with 95%. All rank "
        "intervals of a table hold at once with 95%.",
        "",
    ]
    return "\n".join(lines)
