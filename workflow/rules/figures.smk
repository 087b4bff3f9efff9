KINDS = ["png", "pdf", "txt"]  # the picture twice and its caption
PARTS = [*STUDY.tasks, "study"]


def lost(index):
    """The pictures that the last drawing left and that are gone since; index: its list of names.

    A figure without any data is not drawn, so that the list alone is promised before the tables are
    there, and a picture if it was once drawn.
    """
    path = Path(index)
    pictures = expand(
        f"{path.parent}/{{figure}}.{{kind}}",
        figure=store.read_note(path, []),
        kind=KINDS,
    )
    return [picture for picture in pictures if not Path(picture).is_file()]


def is_on_page(part):
    """Whether summary.md may show a figure of a task, or of `study`."""
    if part == "study":
        return True
    return not registry.page_figures("TASK_FIGURES").isdisjoint(
        STUDY.tasks[part].figures
    )


PAGE_FIGURES = {
    part: f"{RESULTS}/figures/{part}/page.json" for part in PARTS if is_on_page(part)
}
MORE_FIGURES = {part: f"{RESULTS}/figures/{part}/more.json" for part in PARTS}
LOST_FIGURES = [picture for index in PAGE_FIGURES.values() for picture in lost(index)]


# One job per part: importing matplotlib takes longer than drawing.
for part, page_index in PAGE_FIGURES.items():

    rule:
        name:
            f"figures_{part}"
        input:
            rules.tables.output,
        output:
            page_index,
            lost(page_index),
        params:
            part=part,
        shell:
            "exec {PYTHON:q} {SCRIPTS:q}/figures.py {RESULTS:q} {params.part:q} page"


for part, more_index in MORE_FIGURES.items():

    rule:
        name:
            f"more_figures_{part}"
        input:
            rules.tables.output,
        output:
            more_index,
            lost(more_index),
        params:
            part=part,
        shell:
            "exec {PYTHON:q} {SCRIPTS:q}/figures.py {RESULTS:q} {params.part:q} more"
