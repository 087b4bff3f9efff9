def pictures(folder, names):
    """The files of figures: the picture twice and its caption."""
    return expand(
        f"{RESULTS}/figures/{folder}/{{figure}}.{{kind}}",
        figure=names,
        kind=["png", "pdf", "txt"],
    )


TASK_FIGURES = {
    task: pictures(task, plan.figures) for task, plan in STUDY.tasks.items()
}
STUDY_FIGURES = pictures("study", registry.study_figures())
FIGURES = [*TASK_FIGURES.values(), STUDY_FIGURES]


# One job per task: importing matplotlib takes longer than drawing.
for task, files in TASK_FIGURES.items():

    rule:
        name:
            f"figures_{task}"
        input:
            rules.tables.output,
        output:
            files,
        params:
            task=task,
        script:
            "../scripts/figures.py"


rule study_figures:
    input:
        rules.tables.output,
    output:
        STUDY_FIGURES,
    params:
        task=None,
    script:
        "../scripts/figures.py"
