rule summary:
    input:
        tables=rules.tables.output.plan,
        figures=list(FIGURES.values()),
    output:
        f"{RESULTS}/summary.md",
    script:
        "../scripts/summary.py"
