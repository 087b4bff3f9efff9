"""Rules summary and appendix: the study's tables and figures in, a page out.

    summary.py RESULTS summary|appendix

RESULTS: the study's folder.
"""

import sys
from pathlib import Path

from actstudy.analysis import tables
from actstudy.analysis.page import summary

results = Path(sys.argv[1])
page = results / f"{sys.argv[2]}.md"
frames = tables.read(results / "tables")
text = summary.PAGES[sys.argv[2]](frames, results / "figures", page)
page.write_text(text, encoding="utf-8")
