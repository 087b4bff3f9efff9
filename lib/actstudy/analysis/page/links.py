"""Links of a page: figures, tables and documents, by paths that work from its folder."""

import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from actstudy.analysis.markdown import code
from actstudy.analysis.retry import study_command
from actstudy.contract import invocation
from actstudy.contract.plan import Plan

DOCUMENTS = ("docs/statistics.md", "docs/metrics.md", "docs/health.md")
DETAILS = "details.md"  # the second page, which is written with summary.md
TABLES = ("contrasts.csv", "incomplete.csv", "parity.csv", "readings.csv")
COMMANDS = Path("docs/commands.md")


def figures(names: Iterable[str], folder: Path, page: Path) -> list[dict[str, str]]:
    """Those figures of a folder that were drawn, linked relative to the page."""
    drawn = []
    for name in names:
        caption = folder / f"{name}.txt"
        if not caption.is_file():
            continue
        drawn.append(
            {
                "name": name,
                "path": os.path.relpath(caption.with_suffix(".png"), page.parent),
                "caption": caption.read_text(encoding="utf-8").strip(),
            }
        )
    return drawn


def link(target: Path, page: Path) -> str:
    """A file's name as a link from the page, or as code if there is no such file."""
    if not target.is_file():
        return code(target.name)
    return f"[{target.name}]({quote(os.path.relpath(target, page.parent))})"


def anchor(heading: str) -> str:
    """What behind `#` in an address leads to a heading, as GitHub makes it."""
    words = re.sub(r"[^\w\- ]", "", " ".join(heading.split()).lower())
    return quote(words.replace(" ", "-"))


def of_page(page: Path) -> dict[str, str]:
    """Stem -> link of the other page and of the tables that a page names."""
    targets = [page.with_name("summary.md"), page.with_name("appendix.md")]
    targets.append(page.with_name("claims.md"))
    targets += [page.parent / "tables" / name for name in TABLES]
    return {target.stem: link(target, page) for target in targets}


def documents(page: Path) -> str:
    """Links to those DOCUMENTS that are in the present folder; empty outside of the project."""
    there = [Path(name) for name in DOCUMENTS if Path(name).is_file()]
    return ", ".join(link(name, page) for name in there)


def commands(page: Path) -> str:
    """A link to the document of all commands, or the command that prints them if it is not here."""
    return link(COMMANDS, page) if COMMANDS.is_file() else code(f"{invocation.program()} --help")


def handing_on(plan: Plan) -> dict[str, str]:
    """What packs a study, what checks that, and what makes Snakemake's report, each as code."""
    program = invocation.program()
    words = ["bundle"] if plan.study == "default" else ["bundle", plan.file]
    if plan.overrides:
        words += ["--set", *plan.overrides]
    return {
        "bundle": code(f"{program} {shlex.join(words)}"),
        "verify": code(f"{program} verify FILE"),
        "report": code(f"{study_command(plan)} --report report.html"),
    }


def task_tables(task: str, page: Path) -> str:
    """Links to a task's means and contrasts, as CSV and as LaTeX."""
    names = ["cells.csv", f"means_{task}.tex", "contrasts.csv", f"contrasts_{task}.tex"]
    return ", ".join(link(page.parent / "tables" / name, page) for name in names)
