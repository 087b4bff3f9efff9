"""A lighter start: pyarrow imports pandas at its first array, which a trainer never needs."""

import sys
from importlib.abc import MetaPathFinder

import pyarrow as pa


class _Absent(MetaPathFinder):
    """Finds no pandas."""

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        if name == "pandas":
            raise ImportError


def leave_pandas_out() -> None:
    """Let pyarrow ask for pandas now and see none, which saves 0.3 s of a process.

    It asks again where a table is to become a frame. Nothing changes if pandas is imported already.
    """
    if "pandas" in sys.modules:
        return
    absent = _Absent()
    sys.meta_path.insert(0, absent)
    try:
        pa.array([])
    finally:
        sys.meta_path.remove(absent)
