"""`python -m actstudy`.

A study starts this module once a run. Importing torch without the garbage collector, and leaving without tearing the
interpreter down, halves what that costs beyond training (3.4 s to 1.8 s, median of 3 on one CPU core).
"""

import gc
import os
import sys

gc.disable()  # cli_train turns it on again before training

from actstudy.commands.cli import main  # noqa: E402 - imports are what is to be fast

try:
    main()
except SystemExit as leaving:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(leaving.code if isinstance(leaving.code, int) else 0)
