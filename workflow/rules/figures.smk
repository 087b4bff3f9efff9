PICTURE = f"{RESULTS}/figures/{{part}}/{{figure}}.{{kind}}"
KINDS = ["png", "pdf", "txt"]  # the picture twice and its caption
TASK_FIGURES = {
    task: expand(PICTURE, part=task, figure=plan.figures, kind=KINDS)
    for task, plan in STUDY.tasks.items()
}
STUDY_FIGURES = expand(
    PICTURE, part="study", figure=registry.study_figures(), kind=KINDS
)
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
        shell:
            "exec {PYTHON:q} {SCRIPTS:q}/figures.py {RESULTS:q} {params.task:q}"


rule study_figures:
    input:
        rules.tables.output,
    output:
        STUDY_FIGURES,
    shell:
        "exec {PYTHON:q} {SCRIPTS:q}/figures.py {RESULTS:q} study"
