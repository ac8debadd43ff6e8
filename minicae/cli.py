"""The command line: `minicae demo`, `train`, `reconstruct`, `explore`, `gradcheck`, `bench`, `doctor`, `warmup`.

Each is a file in `commands/`. A wrong argument gets one line and exit code 2, whatever else goes wrong its message and
exit code 1.
"""

import argparse
import contextlib
import importlib
import os
import sys
import warnings

import minicae
from minicae import commands
from minicae.arguments import Parser
from minicae.errors import MinicaeError


def main(argv=None) -> int:
    """Run the command that `argv` (default: the process's arguments) names. Returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *where: print(f"note: {message}", file=sys.stderr)
            code = arguments.run(arguments) or 0
            sys.stdout.flush()
            return code
    except BrokenPipeError:  # the reader has seen enough; what is still buffered goes nowhere
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt as stop:
        message, code = str(stop) or "interrupted", 130
    except (MinicaeError, OSError, MemoryError) as error:
        message, code = error, 1
    print(f"minicae {arguments.command}: {message}", file=sys.stderr)
    return code


def _parser():
    parser = Parser(
        prog="minicae",
        description="Autoencoders from scratch: train one, look at it, check the engine below it.",
        epilog="example:\n  minicae demo",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"minicae {minicae.__version__}")
    parser.set_defaults(run=lambda arguments: parser.print_help())
    added = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands, each with its own --help")
    for name in commands.NAMES:
        command = importlib.import_module(f"minicae.commands.{name}")
        one = added.add_parser(
            name,
            help=command.run.__doc__,
            description=command.run.__doc__,
            epilog=f"example:\n  {command.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        one.set_defaults(run=command.run)
        command.options(one.add_argument)
    return parser
