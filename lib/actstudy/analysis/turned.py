"""The tables of a study read the other way, for its pages and figures."""

from actstudy.analysis.questions.turned import can_turn, turned_frame, turned_plan
from actstudy.analysis.tables import Tables

CONTRASTS = "activation_contrasts"  # the tables of the turned study among the study's own
DIFFERENCES = "activation_differences"
LABELLED = ("runs", "curves", "health", "cells", "findings")


def turned(tables: Tables) -> Tables | None:
    """The study with activations as what is compared; None if it cannot be read that way."""
    if not can_turn(tables.plan):
        return None
    frames = dict(tables.frames)
    for name in LABELLED:
        frames[name] = turned_frame(frames[name], tables.plan)
    frames["contrasts"] = frames[CONTRASTS]
    frames["differences"] = frames[DIFFERENCES]
    return Tables(turned_plan(tables.plan), frames)
