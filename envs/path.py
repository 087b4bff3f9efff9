"""Refuses, before anything is installed, a folder in which an environment or Snakemake fails."""

import sys
from pathlib import Path

MARKS = ":{}\n\r"  # PATH, Snakemake's wildcards, lines of .pth files

path = str(Path.cwd())
is_text = path.encode(errors="replace").decode() == path
if not is_text or set(MARKS) & set(path):
    sys.exit(
        f"actstudy: {path!a}: the project's path; "
        "allowed: one in UTF-8 without colons, braces and line ends"
    )
