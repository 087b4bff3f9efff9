# Demos: a table that torch computes and its picture, in seconds. No study needs them.
rule demo_table:
    output:
        f"{demos.FOLDER}/{{demo}}.parquet",
    wildcard_constraints:
        demo="|".join(demos.DEMOS),
    shell:
        "exec {PYTHON:q} -m actstudy demo {wildcards.demo:q} --only table"


rule demo_picture:
    input:
        f"{demos.FOLDER}/{{demo}}.parquet",
    output:
        f"{demos.FOLDER}/{{demo}}.png",
    wildcard_constraints:
        demo="|".join(demos.DEMOS),
    shell:
        "exec {PYTHON:q} -m actstudy demo {wildcards.demo:q} --only picture"


# With the extra `notebook`: a script becomes a notebook, which reads the table and trains nothing.
rule demo_notebook:
    input:
        f"{demos.FOLDER}/notebook.parquet",
        source=f"{workflow.basedir}/docs/notebooks/five_experiments.py",
    output:
        f"{demos.FOLDER}/notebook.ipynb",
    shell:
        "exec {PYTHON:q} {SCRIPTS:q}/notebook.py {input.source:q} {output:q}"
