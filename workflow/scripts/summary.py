"""Rules summary and appendix: the study's tables and figures in, a page out.

    summary.py RESULTS summary|appendix

RESULTS: the study's folder. details.md is written with summary.md.
"""

import sys
from pathlib import Path

from actstudy.analysis import tables
from actstudy.analysis.page import summary

results = Path(sys.argv[1])
page = results / f"{sys.argv[2]}.md"
frames = tables.read(results / "tables")
if page.name == "summary.md":
    summary.write(frames, results / "figures", page)
else:
    text = summary.PAGES[page.stem](frames, results / "figures", page)
    page.write_text(text, encoding="utf-8")
