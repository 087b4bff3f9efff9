"""Drafts of files whose writers have died."""

import os
import re
from pathlib import Path

from actstudy.contract.locks import HOST


def remove_dead_drafts(path: Path) -> None:
    """Removes drafts of a file whose writers, on this host, have died: few files have a lock."""
    pattern = re.escape(f".{path.name}.{HOST}.") + r"(\d+)\.tmp"
    for draft in path.parent.glob(".*.tmp"):
        writer = re.fullmatch(pattern, draft.name)
        if writer and not _is_alive(int(writer[1])):
            draft.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return True
