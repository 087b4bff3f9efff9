# A rule per pack: all outputs of a rule share its wildcards, so one rule cannot serve all packs.
# update() keeps the files of members that are done; the trainer leaves those alone.
workflow.ruleorder(*[f"pack_{name}" for name in JOBS.packs], "train")

for name, members in JOBS.packs.items():

    rule:
        name:
            f"pack_{name}"
        input:
            ancient(f"results/data/{spec.data_name(members[0])}/manifest.json"),
        output:
            [
                update(f"results/runs/{run.task_name}/{spec.run_id(run)}/{file}")
                for run in members
                for file in store.FILES
            ],
        priority: JOBS.pack_priority(name)
        resources:
            gpu=JOBS.gpu,
        params:
            members=lambda wildcards, written=packs.to_json(members): written,  # in a plain string {x} is a wildcard
        shell:
            "exec {PYTHON:q} -m actstudy pack --members {params.members:q} --device {JOBS.device:q}"
            " {JOBS.host_flags} --quiet"
