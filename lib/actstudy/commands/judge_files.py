"""The figure and the page that `judge` writes."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from actstudy.contract import errors, store
from actstudy.contract.errors import StudyError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from actstudy.judging.answer import Answer

PICTURES = (".png", ".pdf", ".svg")


def check(figure: Path | None, page: Path | None) -> None:
    """StudyError for a figure or page that could not be written in the end."""
    if figure and figure.suffix.lower() not in PICTURES:
        raise StudyError(
            f"command line: --figure: got {str(figure)!r}; allowed: a name that ends in "
            f"{', '.join(PICTURES)}"
        )
    for flag, path in (("--figure", figure), ("--page", page)):
        if path and path.is_dir():
            raise StudyError(f"command line: {flag}: got {str(path)!r}, a folder; allowed: a file")


def write(answer: "Answer", figure: Path | None, page: Path | None) -> None:
    """Write figure and page, each by rename, once both are made; a page has a figure of its own."""
    if not figure and not page:
        return
    from actstudy.judging import words
    from actstudy.judging.forest import forest

    drawn = forest(answer)
    picture = figure
    text = ""
    if page:
        picture = figure or page.with_name(f"{page.stem}_forest.png")
        text = words.page(answer, os.path.relpath(picture, page.parent))
    if picture:
        save(drawn, picture)
    if page:
        with store.replacing(page) as draft:
            draft.write_text(text, encoding="utf-8")
    for path in filter(None, (picture, page)):
        print(f"written: {errors.visible(path)}", file=sys.stderr)


def save(figure: "Figure", path: Path) -> None:
    """Write a figure in the form that its name says."""
    with store.replacing(path) as draft:
        figure.savefig(draft, format=path.suffix[1:].lower(), dpi=160)
