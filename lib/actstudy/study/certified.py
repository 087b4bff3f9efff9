"""Which of a study's own activations have no certificate, or one with findings."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from actstudy.contract import certificates, invocation, own
from actstudy.contract import code as run_code


def sentences(
    code: Mapping[str, str],
    file: str,
    arguments: Mapping[str, Sequence[certificates.Arguments]],
) -> list[str]:
    """A sentence per own activation that is not certified as it is, or with findings.

    code: piece -> hash of the study's own code; file: the study's; arguments: import path -> the
    arguments other than defaults of its runs, if any has some.
    """
    paths = [run_code.path_of(piece) for piece in code if piece.startswith("activation ")]
    names = own.labels(filter(None, paths))
    lines = []
    for path, name in names.items():
        for args in arguments.get(path, ({},)):
            lines += _sentence(path, code[f"activation {path}"], args, name, file)
    return lines


def _sentence(
    path: str, of_code: str, args: certificates.Arguments, name: str, file: str
) -> list[str]:
    """What is to be said of an activation with some arguments; name: its label."""
    label = f"{name} with {certificates.words(args)}" if args else name
    state = certificates.state(path, of_code, args)
    if state == certificates.CERTIFIED:
        return []
    if state == certificates.FINDINGS:
        folder = certificates.FOLDER
        return [f"the certificate of {label} has findings: {folder}/{own.short(path)}-*.md"]
    command = f"{invocation.program()} certify {path}{_modules(path, file)}"
    if args:
        command += f" --args {shlex.quote(certificates.words(args))}"
    other = certificates.otherwise(path, of_code, args)
    fault = f"is certified {other} only" if other else "is not certified"
    return [f"{label} {fault}: {command}"]


def _modules(path: str, file: str) -> str:
    """The flag that says where a path's module is, if it is only in the study file's folder."""
    folder = Path(file).parent
    top = path.partition(":")[0].partition(".")[0]
    places = [place for place in (Path(), folder) if _holds(place, top)]
    return f" --modules {folder}" if places == [folder] and folder != Path() else ""


def _holds(folder: Path, module: str) -> bool:
    return (folder / f"{module}.py").is_file() or (folder / module).is_dir()
