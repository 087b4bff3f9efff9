TABLES = registry.literal("analysis/tables.py", "NAMES")


# One output between runs and tables: after a job Snakemake hashes each input once per output, and
# writes all inputs down for each. Its content differs each time, or tables that a killed workflow
# has not made yet would count as made.
rule collect:
    input:
        decisions=JOBS.decisions,  # or runs that they ask for would come too late
        runs=wanted_runs,
        edited=run_files.paths(AMISS.edited),
    output:
        f"{RESULTS}/collected/changed.txt",
    localrule: True
    shell:
        "exec {PYTHON:q} {SCRIPTS:q}/collect.py {output:q}"


rule tables:
    input:
        decisions=JOBS.decisions,
        runs=rules.collect.output,
        references=stored(
            sorted(
                {
                    f"results/references/{run.task}-{spec.data_name(run.spec)}.json"
                    for run in STUDY.possible
                }
            )
        ),
        boundaries=stored(f"{RESULTS}/boundaries.parquet"),
        parity=stored(JOBS.parities.files),
        measured=stored(list(JOBS.measured.values())),
    output:
        expand(f"{RESULTS}/tables/{{name}}.parquet", name=TABLES),
        expand(
            f"{RESULTS}/tables/{{name}}.csv",
            name=[
                name
                for name in TABLES
                if name not in registry.literal("analysis/tables.py", "PARQUET_ALONE")
            ],
        ),
        expand(
            f"{RESULTS}/tables/{{what}}_{{task}}.tex",
            what=["means", "contrasts"],
            task=STUDY.tasks,
        ),
        plan=f"{RESULTS}/tables/plan.json",
    params:
        plan=lambda wildcards: STUDY.plan().sha256,
    shell:
        "exec {PYTHON:q} {SCRIPTS:q}/tables.py {STUDY.file:q} {JOBS.overrides:q}"
        " {params.plan:q} {input.references:q}"
