"""Rules figures_TASK and study_figures: the study's tables in, figures with captions out.

    figures.py RESULTS PART

RESULTS: the study's folder; PART: a task, or `study` for the figures of all tasks together.
"""

import sys
from pathlib import Path

from actstudy.analysis import figures, tables

results = Path(sys.argv[1])
part = sys.argv[2]
study = tables.read(results / "tables")
folder = results / "figures" / part
if part == "study":
    figures.draw_study(study, folder)
else:
    figures.draw_task(study, part, folder)
