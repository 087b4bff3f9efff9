"""A summary of whatever exists, in a folder of its own so that the workflow never takes it for a finished one."""

import json
from pathlib import Path

from actstudy.analysis import figures, summary, tables
from actstudy.study.plan import Study


def write_partial(study: Study) -> Path:
    """Write tables, figures and `summary.md`, headed PARTIAL, under `partial/`; returns the page's path."""
    folder = Path(study.folder) / "partial"
    references = [json.loads(path.read_text()) for path in sorted(Path("results/references").glob("*.json"))]
    references = [one for one in references if one["task"] in study.tasks]
    made = tables.build(json.loads(study.plan()), Path("results/runs"), references)
    tables.write(made, folder / "tables")
    for task in made.plan["tasks"]:
        if (made.of("runs", task)["status"] == "completed").any():
            for name in figures.FIGURES:
                figures.draw(name, made, task, folder / "figures" / task / name)
    page = folder / "summary.md"
    page.write_text(summary.write(made, folder / "figures", page, partial=True), encoding="utf-8")
    return page
