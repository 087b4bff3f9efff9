"""Rule summary: the study's tables and figures in, the page out."""

from pathlib import Path

from actstudy.analysis import tables
from actstudy.analysis.page import summary

page = Path(snakemake.output[0])
frames = tables.read(Path(snakemake.input.tables).parent)
page.write_text(summary.render(frames, page.parent / "figures", page), encoding="utf-8")
