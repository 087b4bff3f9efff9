"""The verdicts on activations of a study that compares something else and crosses them."""

from collections.abc import Sequence
from typing import Any

from actstudy.analysis.page import recommendation, verdict_tables
from actstudy.analysis.tables import Tables
from actstudy.analysis.turned import turned

FIGURE = "activation_forest"  # of the section


def section(tables: Tables, figures: Sequence[dict[str, str]]) -> dict[str, Any] | None:
    """What summary.md says of activations; None if the study compares them, or crosses none.

    figures: all of the study that were drawn.
    """
    own = turned(tables)
    if own is None:
        return None
    answers = []
    for task, settings in own.plan.tasks.items():
        text = recommendation.answer(own, task)
        answers.append({"title": settings.title, "name": task, "text": text})
    return {
        "compare": tables.plan.compare,
        "levels": own.plan.levels,
        "answers": answers,
        "verdicts": verdict_tables.overview(own),
        "left_out": verdict_tables.left_out(own),
        "figures": [figure for figure in figures if figure["name"] == FIGURE],
    }
