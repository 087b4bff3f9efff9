rule figure:
    input:
        rules.tables.output,
    output:
        multiext(f"{RESULTS}/figures/{{task}}/{{figure}}", ".png", ".pdf", ".txt"),
    script:
        "../scripts/figure.py"
