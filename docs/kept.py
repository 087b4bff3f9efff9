"""Pages of studies that docs/example holds: taken from their results with all that they link."""

import re
import shutil
from pathlib import Path

import pandas as pd

from actstudy.analysis import tables

EMPTY = ("boundaries",)  # of whole tables: those that an explorer does not draw
LINK = re.compile(r"\]\(([^)\s]+)\)")
MAX_BYTES = 100_000  # of a table that a page links; the link to a larger one becomes its name
PAGES = ("summary.md", "details.md")
EXPLORER = "explorer.html"  # likewise: megabytes that the tables hold
DOCS = re.compile(r"\]\((?:\.\./)+docs/")  # of a page below results/
TABLES = {  # a study -> its tables that documents quote beyond those that its page links
    "contrastive": ("activation_contrasts.csv", "references.csv", "cells.csv", "contrasts.csv"),
    "contrastive_stability": ("survival.csv",),
    "contrastive_checklist": ("claims.csv", "readings.csv"),
    "guide": ("claims.csv", "readings.csv"),
    "sensitivity": ("components.csv", "recipe_verdicts.csv", "best_of.csv"),
}


def take(results: Path, study: str, example: Path) -> None:
    """Copy a study's pages, the files that it links and those of TABLES into `example`/STUDY.

    Links to documents are made relative to it. SystemExit, nothing taken, if a file is not there.
    """
    pages = [results / name for name in PAGES]
    pages = [page for page in pages if page.exists() or page.name == PAGES[0]]
    names = {f"tables/{name}" for name in TABLES[study]}
    texts = {}
    for page in pages:
        texts[page.name] = copied(page, names)
    targets = {results / name: example / study / name for name in sorted(names - set(texts))}
    missing = [str(path) for path in [*pages, *targets] if not path.exists()]
    if missing:
        raise SystemExit(f"nothing taken, not there: {', '.join(missing)}")
    for source, target in targets.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    for name, text in texts.items():
        (example / study / name).write_text(f"{text}\n")


def copied(page: Path, names: set[str]) -> str:
    """A page as it is kept; the files that it links are added to `names`, large tables left out."""
    text = page.read_text() if page.exists() else ""
    for link in LINK.findall(text):
        name = link.partition("#")[0]
        source = page.parent / name
        is_large = source.is_file() and source.stat().st_size > MAX_BYTES
        if name == EXPLORER:  # of megabytes
            text = text.replace(f"[{name}]({link})", f"`{name}`")
        elif is_large and source.parent.name == "tables" and name not in names:
            text = text.replace(f"[{source.name}]({link})", f"`{source.name}`")
        elif not name.startswith(".."):
            names.add(name)
    return DOCS.sub("](../../", text).rstrip()


def whole(results: Path) -> list[Path]:
    """The files of all tables of a study and of its plan, of which its explorer is made."""
    names = [f"{name}.parquet" for name in tables.NAMES]
    return [results / "tables" / name for name in ["plan.json", *names]]


def take_whole(results: Path, folder: Path) -> None:
    """Copy the files of `whole` into a folder, smaller, and those of EMPTY without their rows."""
    folder.mkdir(exist_ok=True)
    for path in whole(results):
        if path.suffix == ".json":
            shutil.copy(path, folder)
            continue
        frame = pd.read_parquet(path)
        rows = frame.iloc[:0] if path.stem in EMPTY else frame
        rows.to_parquet(folder / path.name, compression="zstd", compression_level=19)
