"""Which of a study's own activations have no certificate, or one with findings."""

from collections.abc import Mapping
from pathlib import Path

from actstudy.contract import certificates, own
from actstudy.contract import code as run_code


def sentences(code: Mapping[str, str], file: str) -> list[str]:
    """A sentence per own activation that is not certified as it is, or with findings.

    code: piece -> hash of the study's own code; file: the study's.
    """
    paths = [run_code.path_of(piece) for piece in code if piece.startswith("activation ")]
    names = own.labels(filter(None, paths))
    lines = []
    for path, name in names.items():
        state = certificates.state(path, code[f"activation {path}"])
        if state is None:
            lines.append(f"{name} is not certified: actstudy certify {path}{_modules(path, file)}")
        elif state == certificates.FINDINGS:
            folder = certificates.FOLDER
            lines.append(f"the certificate of {name} has findings: {folder}/{own.short(path)}-*.md")
    return lines


def _modules(path: str, file: str) -> str:
    """The flag that says where a path's module is, if it is only in the study file's folder."""
    folder = Path(file).parent
    top = path.partition(":")[0].partition(".")[0]
    places = [place for place in (Path(), folder) if _holds(place, top)]
    return f" --modules {folder}" if places == [folder] and folder != Path() else ""


def _holds(folder: Path, module: str) -> bool:
    return (folder / f"{module}.py").is_file() or (folder / module).is_dir()
