rule summary:
    input:
        tables=rules.tables.output.plan,
        figures=expand(
            f"{RESULTS}/figures/{{task}}/{{figure}}.png",
            task=STUDY.tasks,
            figure=registry.figures(),
        ),
    output:
        f"{RESULTS}/summary.md",
    script:
        "../scripts/summary.py"
