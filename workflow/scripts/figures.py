"""Rules figures_*: the study's tables in, every figure of a task, or of the whole study, with its caption out."""

from pathlib import Path

from actstudy.analysis import figures, tables

made = tables.read(Path(snakemake.input[0]).parent)
figures.draw_all(made, snakemake.params.part, Path(snakemake.output[0]).parent)
