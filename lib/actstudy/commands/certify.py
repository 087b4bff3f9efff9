"""`certify`: the contract and the data sheet of activations."""

import argparse
from collections.abc import Callable

from actstudy.commands.parser import Parser, add_modules_flag
from actstudy.contract import certificates, own, registry
from actstudy.contract.errors import StudyError
from actstudy.study import model_checks
from actstudy.study.config import RunFields
from actstudy.study.reading import coerce
from actstudy.study.validation import validate

EXAMPLES = """actstudy certify mypackage.acts:Squash
actstudy certify relu gelu acts:Squash --modules ~/code
actstudy certify acts:Squash --args '{alpha: 0.5}'"""


def add_flags(parser: Parser) -> None:
    """The activations, and where their modules are."""
    parser.add_argument(
        "activations",
        nargs="+",
        metavar="ACTIVATION",
        help="import paths, MODULE:NAME, or registered names",
    )
    add_arguments_flag(parser)
    add_modules_flag(parser)


def add_arguments_flag(parser: Parser) -> None:
    """Arguments of the activations that a command names."""
    parser.add_argument(
        "--args",
        metavar="ARGUMENTS",
        help="arguments other than defaults, as --activation_args of train: '{alpha: 0.5}'",
    )


def named(name: str, command: str, known: Callable[[str], str] = registry.function) -> str:
    """The activation that a word of a command names; StudyError with the word if it names none.

    known: gives the name without alias, or refuses it.
    """
    try:
        return known(name)
    except StudyError as error:
        if own.is_path(name):  # which the error names
            raise StudyError(f"{command}: {error}") from None
        raise StudyError(f"{command}: got {name!r}: {error}") from None


def certify(arguments: argparse.Namespace) -> int:
    """Print and write the certificate of each activation; 1 if any has findings."""
    names = [named(name, "certify") for name in arguments.activations]
    args = {name: arguments_of(name, arguments.args) for name in names}
    import torch

    from actstudy.certificate import report
    from actstudy.certificate.certify import certify as certificate_of

    torch.set_num_threads(1)
    status = 0
    for name in names:
        certificate = certificate_of(name, args[name])
        print(report.markdown(certificate), flush=True)
        report.write(certificate)
        status = max(status, int(certificate["outcome"] == certificates.FINDINGS))
    return status


def arguments_of(name: str, text: str | None) -> dict[str, float]:
    """The arguments other than its defaults that --args gives an activation."""
    if text is None:
        return {}
    where = "command line: --args"
    fields = validate(RunFields, {"activation_args": coerce(text, where)}, where)
    args: dict[str, float] = fields.activation_args
    model_checks.check_activation_args([name], args, where)
    return certificates.other_than_defaults(name, args)
