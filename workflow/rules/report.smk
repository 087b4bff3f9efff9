# `snakemake --report FILE`: every figure with its caption, every table, and how it was made.
report: "../report/workflow.rst"


def reported_files():
    """The folders of which the report shows files; captions are seen from rule all."""
    if fault := reported.name_fault(Path(OPTIONS.report)):
        errors.refuse(fault)
    reported.know_types()
    if not Path(f"{RESULTS}/tables/plan.json").is_file():
        errors.refuse(
            f"--report: no tables in {RESULTS}; to fix: the same without --report"
        )
    shown = config["report"] = reported.contents(STUDY)
    figures = [
        f"{{part,{part}}}/{{figure,{reported.only(names)}}}.png"
        for part, names in shown["figures"].items()
        if names
    ]
    tables = report(
        f"{RESULTS}/tables",
        patterns=[f"{{table,{reported.only(shown['tables'])}}}"],
        caption="workflow/report/table.rst",
        category="Tables",
        labels={"table": "{table}"},
    )
    if not figures:
        return [tables]
    pictures = report(
        f"{RESULTS}/figures",
        patterns=figures,
        caption="workflow/report/figure.rst",
        category="Figures",
        subcategory="{part}",
        labels={"figure": "{figure}"},
    )
    return [pictures, tables]


REPORTED = reported_files() if OPTIONS is not None and OPTIONS.report else []
