# A rule per job of several runs: all outputs of a rule share its wildcards, so one rule cannot serve all of them.
# update() keeps the files of members that are done; the trainer leaves those alone.
several = {"pack": JOBS.packs, "series": JOBS.series}

for kind, name, members in [
    (kind, *item) for kind in several for item in several[kind].items()
]:

    rule:
        name:
            f"{kind}_{name}"
        input:
            ancient(data_files(JOBS.inputs(*map(spec.run_id, members)))),
        output:
            [
                update(
                    stored(f"results/runs/{run.task_name}/{spec.run_id(run)}/{file}")
                )
                for run in members
                for file in [*AMISS.names_gone(run), RUN_FILE]
            ],
        priority: JOBS.priority(members)
        resources:
            **NEEDS.resources(lambda wildcards, runs=members: runs),
            gpu=JOBS.gpu,
        params:
            kind=lambda wildcards, output, written=kind: written,
            # in a plain string {x} is a wildcard; what follows from `output` triggers no new run
            members=lambda wildcards, output, written=MEMBERS[name]: written,
        shell:
            "exec {PYTHON:q} -m actstudy {params.kind:q} --members {params.members:q}"
            " --device {JOBS.device:q} {HOST_FLAGS} --quiet"


# What Snakemake leaves of each rule among the variables, all of which it copies whenever it formats a command.
for name in [name for name in globals() if name.startswith(("__pack_", "__series_"))]:
    del globals()[name]
