PICTURE = f"{RESULTS}/figures/{{part}}/{{figure}}.{{kind}}"
KINDS = ["png", "pdf", "txt"]  # the picture twice and its caption
PARTS = {task: plan.figures for task, plan in STUDY.tasks.items()}
PARTS["study"] = registry.study_figures()


def pictures(part, on_page):
    """Files of those figures of a task, or of `study`, that summary.md shows, or of the others."""
    shown = registry.page_figures(
        "STUDY_FIGURES" if part == "study" else "TASK_FIGURES"
    )
    names = [name for name in PARTS[part] if (name in shown) == on_page]
    return expand(PICTURE, part=part, figure=names, kind=KINDS)


PAGE_FIGURES = [pictures(part, on_page=True) for part in PARTS]
MORE_FIGURES = [pictures(part, on_page=False) for part in PARTS]


# One job per task: importing matplotlib takes longer than drawing.
for part in PARTS:

    rule:
        name:
            f"figures_{part}"
        input:
            rules.tables.output,
        output:
            pictures(part, on_page=True),
        params:
            part=part,
        shell:
            "exec {PYTHON:q} {SCRIPTS:q}/figures.py {RESULTS:q} {params.part:q} page"

    rule:
        name:
            f"more_figures_{part}"
        input:
            rules.tables.output,
        output:
            pictures(part, on_page=False),
        params:
            part=part,
        shell:
            "exec {PYTHON:q} {SCRIPTS:q}/figures.py {RESULTS:q} {params.part:q} more"
