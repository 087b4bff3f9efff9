# One file to explore the study with a browser, without a network.
rule explorer:
    input:
        tables=rules.tables.output,
    output:
        f"{RESULTS}/explorer.html",
    shell:
        "exec {PYTHON:q} {SCRIPTS:q}/explorer.py {RESULTS:q}"
