rule summary:
    input:
        tables=rules.tables.output.plan,
        figures=PAGE_FIGURES.values(),
        claims=rules.claims.output if STUDY.ledger else [],
    output:
        page=f"{RESULTS}/summary.md",
        details=f"{RESULTS}/details.md",
    params:
        certified=lambda wildcards: certified.sentences(
            STUDY.code, STUDY.file, STUDY.arguments
        ),
    shell:
        "exec {PYTHON:q} {SCRIPTS:q}/summary.py {RESULTS:q} summary"


# On request: all tables and figures that the other two pages do not show.
rule appendix:
    input:
        tables=rules.tables.output.plan,
        figures=MORE_FIGURES.values(),
        lost=[picture for index in MORE_FIGURES for picture in lost(index)],
    output:
        f"{RESULTS}/appendix.md",
    shell:
        "exec {PYTHON:q} {SCRIPTS:q}/summary.py {RESULTS:q} appendix"
