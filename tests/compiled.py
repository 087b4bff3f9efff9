"""What is imported before tests begin is kept compiled, whatever the environment says.

Their processes, and those of copies of the project, then find it. Modules that tests write and edit
are compiled as the environment says.
"""

import sys

FORBIDDEN = sys.dont_write_bytecode
sys.dont_write_bytecode = False


def end() -> None:
    """From here on as the environment says."""
    sys.dont_write_bytecode = FORBIDDEN
