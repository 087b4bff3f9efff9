"""Rules figures_PART and more_figures_PART: the study's tables in, figures with captions out.

    figures.py RESULTS PART page|more

RESULTS: the study's folder; PART: a task, or `study`: all tasks together; the figures of
summary.md, or the others.
"""

import sys
from pathlib import Path

from actstudy.analysis import figures, tables

results = Path(sys.argv[1])
part = sys.argv[2]
on_page = sys.argv[3] == "page"
study = tables.read(results / "tables")
folder = results / "figures" / part
figures.draw_part(study, part, folder, on_page)
