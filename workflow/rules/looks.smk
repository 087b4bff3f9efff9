# Decisions on learning rates and on more seeds, which runs wait for.
if STUDY.with_rates:

    checkpoint rates:
        input:
            lambda wildcards: run_files_of(
                run for run in STUDY.tuning if run.task == wildcards.task
            ),
        output:
            f"{RESULTS}/plan/{{task}}-lr.json",
        priority: JOBS.urgent
        params:
            question=lambda wildcards: STUDY.question(wildcards.task),  # a changed margin is decided anew
        shell:
            "exec {PYTHON:q} -m actstudy decide {wildcards.task:q} lr --config {STUDY.file:q}"
            " --overrides {JOBS.overrides:q}"


if STUDY.with_looks:

    checkpoint look:
        input:
            look_files,
        output:
            f"{RESULTS}/plan/{{task}}-look{{look}}.json",
        wildcard_constraints:
            look=r"\d",
        priority: JOBS.urgent
        params:
            question=lambda wildcards: STUDY.question(wildcards.task),  # a changed margin is decided anew
        shell:
            "exec {PYTHON:q} -m actstudy decide {wildcards.task:q} look{wildcards.look:q}"
            " --config {STUDY.file:q} --overrides {JOBS.overrides:q}"
