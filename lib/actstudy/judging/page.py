"""An answer as a page of Markdown."""

from actstudy.analysis.markdown import prose
from actstudy.judging.answer import Answer
from actstudy.judging.headline import sentences
from actstudy.judging.words import tables


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
    family = "of all tasks together" if answer.question.family == "study" else "of each task"
    lines.append(f"- At most 5% of false verdicts in the family {family} (docs/statistics.md).")
    if not answer.question.looks:
        lines.append(
            "- Levels that may be the best: the truly best one is among them with 95%. All rank "
            "intervals of a table hold at once with 95%."
        )
    lines.append("")
    return "\n".join(lines)
