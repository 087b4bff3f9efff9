"""Pages of the example studies, written again from the tables that docs/example keeps of them.

python docs/example_pages.py             summary.md, details.md and figures of all example studies
python docs/example_pages.py NAME...     of these alone, as their folders are called; `.`: the
                                         study at the root of docs/example

Figures are drawn again if single runs are kept; else the pictures that the study drew stay, and
their captions (.txt). Tables that are computed from the runs, as kept_tables.py says, replace the
older ones. Explorers are megabytes, so the site makes them (website.py). Then run
`python docs/gallery.py > docs/gallery.md` and `python docs/refresh.py`.
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import kept_tables
from examples import EXAMPLES, STUDIES
from PIL import Image

from actstudy.analysis import figures
from actstudy.analysis.export import latex
from actstudy.analysis.export.spreadsheet import write_csv
from actstudy.analysis.page import ledger, summary
from actstudy.analysis.tables import UNITS, Tables
from actstudy.contract import checkout, errors
from actstudy.contract.errors import StudyError

COLOURS = 256  # of a picture, which makes it a third as large
WRITTEN = re.compile(r"; page written [\d: UTC-]+")
EXPLORER = "[explorer.html](explorer.html)"
NEW_TABLES = ("cells", "contrasts")  # those that are written even if there were none


def write(name: str) -> Path:
    """Write the pages of an example study; returns its summary.md."""
    folder = EXAMPLES / name
    own = kept_tables.read(name)
    if kept_tables.has_results(own):
        draw(own, folder / "figures")
        if not (folder / kept_tables.WHOLE).is_dir():
            write_tables(own, folder / "tables")
    pages = [folder / name for name in ("summary.md", "details.md", "claims.md")]
    before = {page: page.read_text(encoding="utf-8") for page in filter(Path.is_file, pages)}
    if len(own.frames["claims"]):
        text = ledger.render(own, folder / "figures", pages[2])
        pages[2].write_text(text, encoding="utf-8")
    summary.write(own, folder / "figures", pages[0], partial=kept_tables.is_partial(own))
    for page in filter(Path.is_file, pages):
        text = page.read_text(encoding="utf-8").replace(EXPLORER, "`explorer.html`").rstrip()
        is_same = WRITTEN.sub("", text) == WRITTEN.sub("", before.get(page, "").rstrip())
        page.write_text(before[page] if is_same else f"{text}\n", encoding="utf-8")
    return pages[0]


def draw(own: Tables, folder: Path) -> None:
    """Draw those figures of summary.md and details.md for which there are data."""
    with tempfile.TemporaryDirectory(prefix="figures-") as name:
        drafts = Path(name)
        figures.draw_page(own, drafts)
        for picture in sorted(drafts.rglob("*.png")):
            target = folder / picture.relative_to(drafts)
            target.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(picture) as image:
                image.convert("RGB").quantize(COLOURS).save(target, optimize=True)
            shutil.copy(picture.with_suffix(".txt"), target.with_suffix(".txt"))


def write_tables(own: Tables, folder: Path) -> None:
    """Write those tables that were computed of the runs: as LaTeX, as CSV where that is older."""
    for name in kept_tables.COMPUTED:
        path = folder / f"{name}.csv"
        frame = own.frames[name]
        stored = kept_tables.kept_table(folder.parent, name)
        is_old = stored is not None and list(stored.columns) != list(frame.columns)
        if is_old or (stored is None and name in NEW_TABLES):
            header = {key: f"{key} [{unit}]" for key, unit in UNITS.items() if key in frame}
            write_csv(frame, path, header)
    latex.write(own, folder)


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all of them")
    arguments = parser.parse_args()
    os.chdir(checkout.ROOT)  # pages link documents of the present folder
    try:
        for name in arguments.names or STUDIES:
            if name not in STUDIES:
                hint = errors.choices(name, [*STUDIES])
                raise StudyError(f"docs/example: NAME: got {name}; {hint}")
            print(write(name).relative_to(checkout.ROOT))
    except StudyError as error:
        print(f"actstudy: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
