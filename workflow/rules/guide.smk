# Claims of guides: a job per group of measurements, whose file is named after what it depends on.
rule measure:
    output:
        stored(f"{measuring.FOLDER}/{{group}}-{{digest}}.parquet"),
    wildcard_constraints:
        group="|".join(JOBS.measured) or "none",
    priority: JOBS.aside
    threads: lambda wildcards: host.cores() if measuring.is_alone(wildcards.group) else 1
    resources:
        gpu=lambda wildcards: int(measuring.needs_gpu(wildcards.group)),
    shell:
        "exec {PYTHON:q} -m actstudy measure --ledger {JOBS.ledger:q} --group {wildcards.group:q}"
        " --out {output:q}"


rule claims:
    input:
        tables=rules.tables.output.plan,
    output:
        f"{RESULTS}/claims.md",
    shell:
        "exec {PYTHON:q} {SCRIPTS:q}/summary.py {RESULTS:q} claims"
