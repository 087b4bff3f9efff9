rule train:
    input:
        lambda wildcards: ancient(inputs_of(wildcards)),
    output:
        [f"results/runs/{{task}}/{{id}}/{name}" for name in store.FILES],
    priority: lambda wildcards: JOBS.priorities[wildcards.id]
    resources:
        **NEEDS.resources(lambda wildcards: [spec_of(wildcards)]),
        gpu=JOBS.gpu,
    params:
        spec=lambda wildcards, output: spec.canonical(spec_of(wildcards)),  # `output`: triggers no new run
    shell:
        "exec {PYTHON:q} -m actstudy train --spec {params.spec:q} --device {JOBS.device:q}"
        " {JOBS.host_flags} --quiet"
