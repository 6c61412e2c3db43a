"""The command line: `dlcourse lab` opens the course, `dlcourse doctor` says what works on this machine.

A subcommand imports what it needs when it runs, so that `dlcourse --help` answers at once.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from dlcourse import __version__
from dlcourse.workspace import DEFAULT_FOLDER, UserError


def main(argv: Sequence[str] | None = None) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # ✓ must not break a terminal without Unicode
    args = _parser().parse_args(argv)
    try:
        status: int = args.run(args)
    except UserError as error:
        print(f"dlcourse: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def lab(args: argparse.Namespace) -> int:
    from dlcourse import server, workspace

    server.check(args.port)
    done = workspace.update(args.folder)
    print(done)
    server.run(done.folder, browser=args.browser, port=args.port)


def doctor(args: argparse.Namespace) -> int:
    from dlcourse.doctor import examine

    works = True
    for finding in examine(args.folder):
        print(finding, flush=True)
        works = works and finding.mark != "✗"
    return 0 if works else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dlcourse", description="A hands-on course on training deep networks.")
    parser.add_argument("--version", action="version", version=f"dlcourse {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("lab", help="open the course in JupyterLab, in a folder of your own")
    _add_folder(command)
    command.add_argument("--no-browser", dest="browser", action="store_false", help="print the address instead")
    command.add_argument("--port", type=int, help="default: the next free one")
    command.set_defaults(run=lab)

    command = commands.add_parser("doctor", help="say what works on this machine, and what to do about the rest")
    _add_folder(command)
    command.set_defaults(run=doctor)
    return parser


def _add_folder(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "folder",
        metavar="FOLDER",
        nargs="?",
        type=Path,
        default=DEFAULT_FOLDER,
        help="where your copies of the notebooks live (default: ./%(default)s)",
    )
