"""Puts into the wheel what the package reads from a clone: workflow, studies, embedded data."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = (
    "Snakefile",
    "workflow/rules/*.smk",
    "workflow/report/*.rst",
    "workflow/scripts/*.py",
    "profiles/*/config.yaml",
    "config/**/*.yaml",
    "data/embedded/*.parquet",
    "data/embedded/README.md",
    "docs/notebooks/*.py",
    "benchmarks/results/activations_*.parquet",
)


class BuildWithShipped(build_py):
    """Copies the shipped files to `actstudy/shipped/` of a wheel; an editable one has a clone."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for pattern in SHIPPED:
            for file in Path().glob(pattern):
                copy = Path(self.build_lib, "actstudy", "shipped", file)
                self.mkpath(str(copy.parent))
                self.copy_file(str(file), str(copy))


setup(cmdclass={"build_py": BuildWithShipped})
