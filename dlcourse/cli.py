"""The command line: `dlcourse lab` opens the course, `copy` only copies it, `check` and `progress` are for its
exercises, `grade` is for instructors, `doctor` helps.

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

# The naming schemes of grading/platforms.py; its table is not read before it is needed.
PLATFORMS = (
    "moodle", "brightspace", "blackboard", "gradescope", "sakai", "ilias", "github", "canvas", "plain",
)  # fmt: skip


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


def copy(args: argparse.Namespace) -> int:
    from dlcourse import workspace

    print(workspace.update(args.folder))
    return 0


def doctor(args: argparse.Namespace) -> int:
    from dlcourse.doctor import examine

    works = True
    for finding in examine(args.folder):
        print(finding, flush=True)
        works = works and finding.mark != "✗"
    return 0 if works else 1


def check(args: argparse.Namespace) -> int:
    from dlcourse.checks.notebook import check_notebook

    solved: dict[str, bool] = {}
    for name, passed, text in check_notebook(args.notebook):
        print(text, end="\n\n", flush=True)
        if name:
            solved[name] = passed
    if not solved:
        raise UserError(
            f"NOTEBOOK must hold checks, dlcourse.check(…); got notebook={args.notebook}. Take an exercise."
        )
    print(f"{sum(solved.values())} of {len(solved)} solved")
    return 0 if all(solved.values()) else 1


def grade(args: argparse.Namespace) -> int:
    from dlcourse.grading import command

    return command.run(args)


def progress(args: argparse.Namespace) -> int:
    from dlcourse.checks.progress import overview
    from dlcourse.checks.tables import exercises, look_in

    folder = args.folder or (DEFAULT_FOLDER if DEFAULT_FOLDER.is_dir() else Path())
    look_in(folder)
    for line in overview(folder, exercises()):
        print(line)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dlcourse", description="A hands-on course on training deep networks.")
    parser.add_argument("--version", action="version", version=f"dlcourse {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("lab", help="open the course in JupyterLab, in a folder of your own")
    _add_folder(command)
    command.add_argument("--no-browser", dest="browser", action="store_false", help="print the address instead")
    command.add_argument("--port", type=int, help="default: the next free one")
    command.set_defaults(run=lab)

    command = commands.add_parser("copy", help="put the notebooks into a folder of your own, and open nothing")
    _add_folder(command)
    command.set_defaults(run=copy)

    command = commands.add_parser("check", help="run a notebook and check its exercises, as its own cells do")
    command.add_argument("notebook", metavar="NOTEBOOK", type=Path)
    command.set_defaults(run=check)

    command = commands.add_parser("progress", help="show what is solved, chapter by chapter")
    command.add_argument("folder", metavar="FOLDER", nargs="?", type=Path, help="default: where `dlcourse lab` put it")
    command.set_defaults(run=progress)

    command = commands.add_parser("grade", help="grade a folder or zip of submissions, each in a sandbox")
    command.add_argument("submissions", metavar="SUBMISSIONS", type=Path, help="as your learning platform exports them")
    command.add_argument(
        "--out", metavar="DIR", type=Path, required=True, help="grades, pages, journal and log go here"
    )
    command.add_argument(
        "--notebook",
        action="append",
        default=[],
        metavar="NAME",
        help="handed out; default: what half of the class has",
    )
    command.add_argument(
        "--names", choices=PLATFORMS, help="whose way to name students it is; default: the one that fits the class"
    )
    command.add_argument(
        "--exercises", metavar="FILE", type=Path, help="your own (default: dlcourse_exercises.py, where there is one)"
    )
    where = command.add_mutually_exclusive_group()
    where.add_argument("--jobs", metavar="N", type=int, help="processes here; default: one for each core")
    where.add_argument("--scheduler", metavar="ADDRESS", help="a Dask scheduler, tcp://…, and its workers instead")
    command.add_argument(
        "--gradebook", metavar="URL", help="also into nbgrader's database, sqlite:///gradebook.db, say"
    )
    command.add_argument("--seed-file", metavar="FILE", type=Path, help="the secret; default: DIR/secret, made once")
    command.add_argument(
        "--seconds", metavar="S", type=float, default=5.0, help="for each exercise (default: %(default)g)"
    )
    command.add_argument("--quiet", action="store_true", help="no progress bar")
    command.add_argument(
        "--unsafe-no-sandbox", action="store_true", help="run submissions as they are; every grade is marked"
    )
    command.set_defaults(run=grade)

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
