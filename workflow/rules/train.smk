ALONE = run_files.alone(JOBS)
AGAIN = AMISS.runs_again(ALONE)  # a table of theirs is gone


rule train:
    input:
        lambda wildcards: ancient(inputs_of(wildcards)),
    output:
        stored(f"results/runs/{{task}}/{{id}}/{RUN_FILE}"),
    wildcard_constraints:
        id=run_files.pattern(ALONE),
    priority: lambda wildcards: JOBS.priorities[wildcards.id]
    resources:
        **NEEDS.resources(lambda wildcards: [spec_of(wildcards)]),
        gpu=JOBS.gpu,
    params:
        spec=lambda wildcards, output: spec.canonical(spec_of(wildcards)),  # `output`: triggers no new run
    shell:
        "exec {PYTHON:q} -m actstudy train --spec {params.spec:q} --device {JOBS.device:q}"
        " {HOST_FLAGS} --quiet"


# A node reads this file when the tables may be gone already that its job writes again.
if STORE is None and (AGAIN or workflow.remote_exec):

    use rule train as train_again with:
        output:
            [f"results/runs/{{task}}/{{id}}/{name}" for name in store.FILES],
        wildcard_constraints:
            id=run_files.pattern(ALONE if workflow.remote_exec else AGAIN),

    ruleorder: train_again > train
