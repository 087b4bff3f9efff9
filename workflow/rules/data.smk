wildcard_constraints:
    task="[A-Za-z0-9_]+",
    data="[A-Za-z0-9_][A-Za-z0-9_.-]*",  # names of folders, not of paths
    id="[A-Za-z0-9_][A-Za-z0-9_.-]*",


rule prepare:
    output:
        data_output("{data}"),
    priority: lambda wildcards: JOBS.data_priority(wildcards.data)
    shell:
        "exec {PYTHON:q} -m actstudy prepare {wildcards.data:q} results/data/{wildcards.data:q}"


# Own data of the study: what it says of them goes to their preparation.
if JOBS.own_data:

    ruleorder: prepare_own > prepare

    rule prepare_own:
        output:
            data_output("{own}"),
        wildcard_constraints:
            own="|".join(JOBS.own_data),
        priority: lambda wildcards: JOBS.data_priority(wildcards.own)
        params:
            source=lambda wildcards: JOBS.own_data[wildcards.own],
        shell:
            "exec {PYTHON:q} -m actstudy prepare {wildcards.own:q} results/data/{wildcards.own:q}"
            " --source {params.source:q}"


rule reference:
    input:
        ancient(data_files(["results/data/{data}/manifest.json"])),
    output:
        stored("results/references/{task}-{data}.json"),
    priority: JOBS.aside
    params:
        made_of=lambda wildcards: jobs.reference_of(
            JOBS.tasks[wildcards.task], wildcards.data
        ),
    shell:
        "exec {PYTHON:q} -m actstudy reference {wildcards.task:q} results/data/{wildcards.data:q} {output:q}"
        " {JOBS.own_tasks} {JOBS.modules}"


# Toy problems in the plane: the study's activations beside identity.
rule boundaries:
    output:
        stored(f"{RESULTS}/boundaries.parquet"),
    priority: JOBS.aside
    params:
        activations=list(dict.fromkeys([*STUDY.activations, "identity"])),
        code=JOBS.toy_code,
    shell:
        "exec {PYTHON:q} -m actstudy boundaries {output:q} {params.activations:q} {JOBS.modules}"
