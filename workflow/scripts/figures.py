"""Rules figures_TASK and study_figures: the study's tables in, figures with captions out."""

from pathlib import Path

from actstudy.analysis import figures, tables

study = tables.read(Path(snakemake.input[0]).parent)
folder = Path(snakemake.output[0]).parent
if snakemake.params.task is None:
    figures.draw_study(study, folder)
else:
    figures.draw_task(study, snakemake.params.task, folder)
