# A rule a pack: all outputs of a rule share its wildcards, so one rule cannot serve all packs. update() keeps the files of
# members that are done; the trainer leaves those alone. Packs are filled look by look: another look's seeds are other packs.
PACKS = {
    name: members
    for stage in STUDY.stages
    for name, members in packs.packs(stage).items()
}
workflow.ruleorder(*[f"pack_{name}" for name in PACKS], "train")

for name, members in PACKS.items():

    rule:
        name:
            f"pack_{name}"
        input:
            ancient(f"results/data/{spec.data_name(members[0])}/manifest.json"),
        output:
            [
                update(f"results/runs/{one.task}/{spec.run_id(one)}/{file}")
                for one in members
                for file in store.FILES
            ],
        resources:
            gpu=int(WANTS_GPU),
        params:
            members=lambda wildcards, written=packs.to_json(members): written,  # a plain string's {x} is a wildcard
        shell:
            "exec {PYTHON:q} -m actstudy pack --members {params.members:q} --device {DEVICE:q}"
            " {HOST_FLAGS} --quiet"
