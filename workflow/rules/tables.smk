rule tables:
    input:
        runs=RUN_FILES,
        references=sorted(
            {
                f"results/references/{run.spec.task}-{spec.data_name(run.spec)}.json"
                for run in STUDY.runs
            }
        ),
        boundaries=f"{RESULTS}/boundaries.parquet",
    output:
        expand(
            f"{RESULTS}/tables/{{name}}.{{kind}}",
            name=registry.literal("analysis/tables.py", "NAMES"),
            kind=["parquet", "csv"],
        ),
        plan=f"{RESULTS}/tables/plan.json",
    params:
        plan=STUDY.plan(),
    script:
        "../scripts/tables.py"
