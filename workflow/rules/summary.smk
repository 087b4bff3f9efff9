rule summary:
    input:
        tables=rules.tables.output.plan,
        figures=FIGURES,
    output:
        f"{RESULTS}/summary.md",
    script:
        "../scripts/summary.py"
