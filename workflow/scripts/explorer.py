"""Rule explorer: the study's tables in, a page to explore out.

    explorer.py RESULTS

RESULTS: the study's folder.
"""

import sys
from pathlib import Path

from actstudy.analysis import tables
from actstudy.analysis.explorer import page
from actstudy.contract import store

results = Path(sys.argv[1])
text = page.render(tables.read(results / "tables"))
with store.replacing(results / "explorer.html") as draft:
    draft.write_text(text, encoding="utf-8")
