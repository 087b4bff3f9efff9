PARTS = {task: settings.figures for task, settings in STUDY.tasks.items()}
PARTS["study"] = registry.figures("study")
FIGURES = {
    part: expand(
        f"{RESULTS}/figures/{part}/{{figure}}.{{kind}}",
        figure=names,
        kind=["png", "pdf", "txt"],
    )
    for part, names in PARTS.items()
}


# One job a task: importing matplotlib takes longer than drawing.
for part, files in FIGURES.items():

    rule:
        name:
            f"figures_{part}"
        input:
            rules.tables.output,
        output:
            files,
        params:
            part=part,
        script:
            "../scripts/figures.py"
