"""Run a notebook that is kept as a script of jupytext, and write it with its outputs."""

import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

source, out = map(Path, sys.argv[1:])
notebook = jupytext.read(source)
NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
nbformat.write(notebook, out)
