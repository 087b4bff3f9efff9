FIGURES = expand(
    f"{RESULTS}/figures/{{task}}/{{figure}}.{{kind}}",
    task=STUDY.tasks,
    figure=registry.figures(),
    kind=["png", "pdf", "txt"],
)


rule figure:
    input:
        rules.tables.output,
    output:
        multiext(f"{RESULTS}/figures/{{task}}/{{figure}}", ".png", ".pdf", ".txt"),
    script:
        "../scripts/figure.py"
