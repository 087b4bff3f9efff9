"""`completion`: the script that completes commands, flags and their values in a shell."""

import argparse

from actstudy.commands.parser import Parser

SHELLS = ("bash", "zsh")
EXAMPLES = """actstudy completion bash > ~/.local/share/bash-completion/completions/actstudy
actstudy completion zsh > ~/.zfunc/_actstudy"""


def add_flags(parser: Parser) -> None:
    """The shell."""
    parser.add_argument("shell", choices=SHELLS)


def completion(arguments: argparse.Namespace, parser: Parser) -> int:
    """Print the completion of a parser's commands for a shell."""
    import shtab

    print(shtab.complete(parser, arguments.shell))
    return 0
