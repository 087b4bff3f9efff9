rule summary:
    input:
        tables=rules.tables.output.plan,
        figures=FIGURES,
    output:
        f"{RESULTS}/summary.md",
    shell:
        "exec {PYTHON:q} {SCRIPTS:q}/summary.py {RESULTS:q}"
