"""What `compare` prints of two kept studies, as docs/bundles.md quotes it."""

from pathlib import Path

from actstudy.judging.results import load
from actstudy.judging.studies import page
from actstudy.judging.studies.beside import Study

EXAMPLE = Path(__file__).resolve().parent / "example"
STUDIES = ("default", "guide")  # the names of two studies with cells in common
LEFT_OUT = "### cls:"  # where the part that is quoted ends: tasks after the first one


def side_by_side() -> str:
    """The comparison of STUDIES up to the table of its first task, as it is printed."""
    studies = [Study(f"docs/example/{name}", load(EXAMPLE / name)) for name in STUDIES]
    comparisons = page.compare(studies)
    lines = "\n".join(page.of_pair(comparisons[0]))
    return f"```text\n{lines.partition(LEFT_OUT)[0].rstrip()}\n```\n"
