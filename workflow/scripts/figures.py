"""Rules figures_*: the study's tables in; figures of a task or of the study, with captions, out."""

from pathlib import Path

from actstudy.analysis import figures, tables

frames = tables.read(Path(snakemake.input[0]).parent)
figures.draw_all(frames, snakemake.params.part, Path(snakemake.output[0]).parent)
