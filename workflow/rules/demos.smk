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
