"""Rule figure: the study's tables in, one figure with its caption out."""

from pathlib import Path

from actstudy.analysis import figures, tables

made = tables.read(Path(snakemake.input[0]).parent)
figures.draw(snakemake.wildcards.figure, made, snakemake.wildcards.task, Path(snakemake.output[0]).with_suffix(""))
