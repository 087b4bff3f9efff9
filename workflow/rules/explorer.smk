# One file to explore the study with a browser, without a network.
rule explorer:
    input:
        tables=rules.tables.output,
    output:
        f"{RESULTS}/explorer.html",
    priority: -1  # the summary first
    shell:
        "exec {PYTHON:q} {SCRIPTS:q}/explorer.py {RESULTS:q}"
