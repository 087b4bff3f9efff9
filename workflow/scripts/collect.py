"""Write the time, so that the file is another one whenever runs have come.

python collect.py FILE
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

Path(sys.argv[1]).write_text(f"{datetime.now(UTC).isoformat()}\n", encoding="utf-8")
