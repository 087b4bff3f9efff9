"""Exit status 0 if this environment runs the code of the folder in which it is asked."""

import sys
from pathlib import Path

import actstudy

sys.exit(not Path(actstudy.__file__).parent.samefile("lib/actstudy"))
