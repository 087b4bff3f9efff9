"""Print docs/gallery.md from docs/gallery.yaml: `python docs/gallery.py > docs/gallery.md`.

Captions are those that studies wrote next to their figures, and those of docs/demos.md, if the
table has none.
"""

import functools
import os
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from actstudy.contract import registry

DOCS = Path(__file__).resolve().parent
HEAD = """# Gallery of figures

Each figure with the study file or the command that makes it. `snakemake --configfile STUDY` trains
what is missing and draws all figures of a study, as PNG, as PDF and with their captions, in
`results/NAME/figures/`; what is not on its page is on its appendix (`snakemake
results/NAME/appendix.md --configfile STUDY`). This page is generated (`python docs/gallery.py >
docs/gallery.md`).
"""
OLD = "Drawn by an older version."
REST = """
## Other figures of example studies

On the pages of their studies; those in italics are no longer drawn:
"""
DEMO = re.compile(r"^## (\w+)\n\n(.*?)\n\n!\[[^\]]*\]\(([^)\s]+)\)", re.DOTALL | re.MULTILINE)


class Maker(NamedTuple):
    """What makes a picture: a study file or something else, its command, a page about it."""

    name: str
    file: str | None
    command: str
    page: str
    is_old: bool


def table() -> dict[str, Any]:
    """The content of gallery.yaml."""
    return yaml.safe_load((DOCS / "gallery.yaml").read_text(encoding="utf-8"))


def pictures() -> list[str]:
    """All pictures below docs/, from there."""
    return sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.png"))


def captions() -> dict[str, str]:
    """Picture -> its caption, which stands in a file next to it, or is on the page of demos."""
    texts = {}
    for path in DOCS.glob("example/**/*.txt"):
        picture = path.with_suffix(".png").relative_to(DOCS).as_posix()
        texts[picture] = path.read_text(encoding="utf-8")
    for _, text, link in DEMO.findall((DOCS / "demos.md").read_text(encoding="utf-8")):
        texts[link] = text
    return texts


def maker(picture: str, makers: dict[str, dict[str, Any]]) -> Maker:
    """What makes a picture, by the longest key of `makers` that its path begins with.

    SystemExit if there is none.
    """
    keys = [key for key in makers if picture.startswith((f"{key}/", key))]
    if not keys:
        raise SystemExit(f"docs/{picture}: no maker; to fix: name it in docs/gallery.yaml")
    entry = makers[max(keys, key=len)]
    file = entry.get("study")
    command = entry.get("command")
    if entry.get("by") == "demos":
        name = Path(picture).stem.removeprefix("demo_")
        return Maker(f"demo {name}", None, f"python -m actstudy demo {name}", entry["page"], False)
    if file is None:
        return Maker(entry["by"], f"../{entry['by']}", command, entry["page"], False)
    name = os.path.normpath(f"docs/{file}")
    if command is None:
        command = f"snakemake --configfile {name}"
    is_old = "old_but" in entry and Path(picture).stem not in entry["old_but"]
    return Maker(name, file, command, entry["page"], is_old)


def section(picture: str, entry: dict[str, str], of: Maker, caption: str) -> str:
    """The part of a picture: title, picture, caption, what makes it."""
    title = entry["title"]
    source = f"[{of.name}]({of.file})" if of.file else f"`{of.name}`"
    origin = f"Of {source}; [read on]({of.page})."
    notes = f"{origin} {OLD}" if of.is_old else origin
    blocks = [f"### {title}", f"![{title}]({picture})", caption.strip(), notes]
    return "".join(f"\n{block}\n" for block in [*blocks, f"```sh\n{of.command}\n```"])


def text() -> str:
    """The page."""
    content = table()
    by_page = captions()
    parts = [HEAD]
    with_parts = set()
    for chapter, entries in content["chapters"].items():
        parts.append(f"\n## {chapter}\n")
        for picture, entry in entries.items():
            of = maker(picture, content["makers"])
            caption = entry.get("caption") or by_page.get(picture)
            if caption is None:
                raise SystemExit(f"docs/{picture}: no caption; to fix: one in docs/gallery.yaml")
            parts.append(section(picture, entry, of, caption))
            with_parts.add(picture)
    others = [name for name in pictures() if name not in with_parts]
    parts.append(rest(others, content["makers"]))
    return "".join(parts)


def rest(names: list[str], makers: dict[str, dict[str, Any]]) -> str:
    """The list of pictures that have no part of their own, by their studies."""
    by_study: dict[Maker, list[str]] = {}
    for picture in names:
        of = maker(picture, makers)._replace(is_old=False)
        by_study.setdefault(of, []).append(picture)
    lines = [REST, "| study | its other figures |", "|---|---|"]
    for of, own in by_study.items():
        links = [named(name) for name in own]
        lines.append(f"| [{of.name}]({of.page}) | {', '.join(links)} |")
    return "\n".join([*lines, ""])


def named(picture: str) -> str:
    """A picture's name, linked; in italics if no figure of today has it."""
    name = Path(picture).stem
    link = f"[{name}]({picture})"
    return link if name in drawn_today() else f"*{link}*"


@functools.cache
def drawn_today() -> frozenset[str]:
    """The names of all figures of studies."""
    names = registry.entries(registry.FIGURES, "TASK_FIGURES", "needs")
    return frozenset([*names, *registry.study_figures()])


if __name__ == "__main__":
    sys.stdout.write(text())
