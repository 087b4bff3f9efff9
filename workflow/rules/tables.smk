TABLES = registry.literal("analysis/tables.py", "NAMES")


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
        expand(f"{RESULTS}/tables/{{name}}.parquet", name=TABLES),
        expand(
            f"{RESULTS}/tables/{{name}}.csv",
            name=[
                name
                for name in TABLES
                if name not in registry.literal("analysis/tables.py", "PARQUET_ALONE")
            ],
        ),
        plan=f"{RESULTS}/tables/plan.json",
    params:
        plan=STUDY.plan(),
    script:
        "../scripts/tables.py"
