"""Rule summary: the study's tables and figures in, the page out.

    summary.py RESULTS

RESULTS: the study's folder.
"""

import sys
from pathlib import Path

from actstudy.analysis import tables
from actstudy.analysis.page import summary

results = Path(sys.argv[1])
page = results / "summary.md"
frames = tables.read(results / "tables")
page.write_text(summary.render(frames, results / "figures", page), encoding="utf-8")
