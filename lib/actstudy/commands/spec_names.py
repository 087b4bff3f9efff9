"""The names in a spec that is passed as JSON: checked before they become parts of a path."""

from collections.abc import Iterable

from actstudy.contract import code, errors, own, own_data, registry, spec
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import RunSpec
from actstudy.study import checks
from actstudy.study.config import name_error


def check(run: RunSpec, flag: str) -> None:
    """StudyError if a spec names something unknown: these names become parts of its run's path."""
    for kind, name in (("task", run.task), ("model", run.model)):
        if own.is_path(name):
            _check_path(str(name), flag)
        if fault := name_error(kind, str(name)) if name else "":
            raise StudyError(f"command line: {flag}: got {name!r}: {fault}")
    datasets = [*registry.datasets()]
    if own_data.declaration(run.dataset) is not None:
        datasets.append(run.dataset)
    names: list[tuple[str, str, Iterable[str]]] = [
        ("data set", run.dataset, datasets),
        ("init policy", run.init, registry.init_policies()),
    ]
    for activation in spec.names_in(run.activation):
        if own.is_path(activation):
            _check_path(activation, flag)
        else:
            names.append(("activation", activation, registry.activation_names()))
    for kind, name, known in names:
        try:
            errors.check_name(name, kind, known)
        except StudyError as error:
            raise StudyError(f"command line: {flag}: got {name!r}: {error}") from None
    checks.check_paths(run, f"command line: {flag}")
    code.check(run, f"command line: {flag}")


def _check_path(path: str, flag: str) -> None:
    """StudyError if an import path of a spec leads nowhere."""
    try:
        own.find(path)
    except StudyError as error:
        raise StudyError(
            f"command line: {flag}: {error}; to fix: --modules FOLDER, where the module is"
        ) from None
