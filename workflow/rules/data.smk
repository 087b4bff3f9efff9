rule prepare:
    output:
        "results/data/{dataset}/manifest.json",
    log:
        "results/data/{dataset}/log.txt",
    shell:
        "exec {PYTHON:q} -m actstudy prepare {wildcards.dataset:q} $(dirname {output:q}) > {log:q} 2>&1"


rule reference:
    input:
        ancient("results/data/{dataset}/manifest.json"),
    output:
        "results/references/{task}-{dataset}.json",
    log:
        "results/references/{task}-{dataset}.log",
    shell:
        "exec {PYTHON:q} -m actstudy reference {wildcards.task:q} $(dirname {input:q}) {output:q} > {log:q} 2>&1"
