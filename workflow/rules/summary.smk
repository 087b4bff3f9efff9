rule summary:
    input:
        tables=rules.tables.output.plan,
        figures=PAGE_FIGURES,
    output:
        f"{RESULTS}/summary.md",
    shell:
        "exec {PYTHON:q} {SCRIPTS:q}/summary.py {RESULTS:q} summary"


# On request: all tables and figures that summary.md does not show.
rule appendix:
    input:
        tables=rules.tables.output.plan,
        figures=MORE_FIGURES,
    output:
        f"{RESULTS}/appendix.md",
    shell:
        "exec {PYTHON:q} {SCRIPTS:q}/summary.py {RESULTS:q} appendix"
