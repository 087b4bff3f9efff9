rule train:
    input:
        lambda wildcards: ancient(
            f"results/data/{spec.data_name(spec_of(wildcards))}/manifest.json"
        ),
    output:
        [f"results/runs/{{task}}/{{id}}/{name}" for name in store.FILES],
    priority: lambda wildcards: JOBS.priorities[wildcards.id]
    resources:
        gpu=JOBS.gpu,
    params:
        spec=lambda wildcards: spec.canonical(spec_of(wildcards)),
    shell:
        "exec {PYTHON:q} -m actstudy train --spec {params.spec:q} --device {JOBS.device:q}"
        " {JOBS.host_flags} --quiet"
