"""Which study file a folder of results belongs to: files of one name would replace each other's."""

from collections.abc import Iterable
from pathlib import Path

from actstudy.contract import store
from actstudy.contract.errors import StudyError
from actstudy.study.planning import Study

PAGES = ("summary.md", "details.md", "appendix.md", "explorer.html")
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
        raise StudyError(
            f"{study.file}: the file's name names the study, and {folder} holds results of "
            f"{owner}; to fix: rename the file"
        )


def check_targets(study: Study, words: Iterable[str]) -> None:
    """StudyError if a page that is asked for is of another study than the one that is loaded.

    words: of snakemake's command line.
    """
    for target in words:
        path = Path(target)
        is_page = path.name in PAGES and path.parts[0] == "results"
        if is_page and path.parent != Path(study.folder):
            allowed = f"{study.folder}/{path.name}, the page of {study.file}"
            raise StudyError(
                f"{target}: not of this study; allowed: {allowed}; for another study's: "
                "--configfile FILE"
            )


def _is_same(owner: Path, file: Path) -> bool:
    """Whether two files are one or have the same content, or the owner has gone: it was moved."""
    try:
        if not store.is_there(owner):
            return True
        return owner.samefile(file) or owner.read_bytes() == file.read_bytes()
    except PermissionError:
        return False
