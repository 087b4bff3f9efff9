# Does Keras compute what torch does? Asked on a CPU, once per cell of Keras runs, before its first run.
rule parity:
    input:
        lambda wildcards: ancient(
            data_files([jobs.manifest_of(JOBS.parities.cells[wildcards.cell])])
        ),
    output:
        stored("results/parity/{cell}.json"),
    wildcard_constraints:
        cell="|".join(JOBS.parities.cells) or "none",
    priority: lambda wildcards: JOBS.parities.priorities[wildcards.cell]
    params:
        spec=lambda wildcards: spec.canonical(JOBS.parities.cells[wildcards.cell]),
    shell:
        "exec {PYTHON:q} -m actstudy parity --spec {params.spec:q} {output:q} {JOBS.modules}"
