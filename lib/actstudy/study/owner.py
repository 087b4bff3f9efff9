"""Which study file a folder of results belongs to: files of one name would replace each other's."""

from pathlib import Path

from actstudy.contract import store
from actstudy.contract.errors import StudyError
from actstudy.study.planning import Study

PLANS = ("tables/plan.json", "partial/tables/plan.json")  # each names the file of its study


def check_owner(study: Study) -> None:
    """StudyError if the study's folder holds results of another file of the same name.

    A file that was moved or edited stays the owner, and a copy with the same content is as good.
    """
    folder = Path(study.folder)
    for plan in PLANS:
        content = store.read_note(folder / plan, {})
        owner = content.get("file") if isinstance(content, dict) else None
        if owner is None or _is_same(Path(owner), Path(study.file)):
            continue
        old = folder
        if folder == store.RESULTS:  # holds the runs of all studies too
            old = (folder / plan).parent
        raise StudyError(
            f"{study.file}: the file's name names the study, and {folder} holds results of "
            f"{owner}; to fix: rename one of the two files, or rm -r {old} to replace them"
        )


def _is_same(owner: Path, file: Path) -> bool:
    """Whether two files are one or have the same content, or the owner has gone: it was moved."""
    try:
        if not store.is_there(owner):
            return True
        return owner.samefile(file) or owner.read_bytes() == file.read_bytes()
    except PermissionError:
        return False
