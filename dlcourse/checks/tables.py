"""All exercises, by name, in the order of the chapters; and a lecturer's own, from one file beside the notebooks.

The course's files are read when first asked for. `dlcourse_exercises.py` is looked for beside the notebook, and in the
folders above it as far as the folder that `dlcourse lab` made. Whatever Exercise or Question it holds is one more.
"""

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from dlcourse.checks.exercise import Exercise, Question
from dlcourse.checks.faults import place_of
from dlcourse.workspace import MANIFEST, UserError

FILES = (
    "first_steps", "loop", "whole", "initialization", "matrices", "momentum", "walks", "adaptive", "natural", "adam",
    "normalization", "groups", "directions", "modes", "regularization", "noise", "generalization", "decay", "stairs",
    "capstone", "build_parts", "build", "broken_data", "broken_networks", "broken_steps", "broken_loops", "looks",
)  # fmt: skip
OWN = "dlcourse_exercises.py"
Entries = dict[str, Exercise | Question]
_own: dict[str, tuple[str, Entries]] = {}  # by the name of a file: its text, and what it holds


@cache
def course() -> Entries:
    entries = [entry for file in FILES for entry in import_module(f"dlcourse.checks.{file}").EXERCISES]
    return {entry.name: entry for entry in sorted(entries, key=lambda entry: entry.chapter)}


def exercises() -> Entries:
    return {**course(), **{name: entry for _, entries in _own.values() for name, entry in entries.items()}}


def own_file(folder: Path) -> Path | None:
    """Only within the learner's own folder: further up, anybody may have left a file."""
    folder = folder.resolve()
    above = [folder, *folder.parents]
    top = next((n for n, place in enumerate(above) if (place / MANIFEST).is_file()), 0)
    return next((place / OWN for place in above[: top + 1] if (place / OWN).is_file()), None)


def look_in(folder: Path) -> None:
    """Add the exercises of the file that belongs to a folder; raises UserError for one that cannot be read."""
    file = own_file(folder)
    if file is None:
        _own.clear()
    else:
        add_file(file)


def add_file(file: Path) -> None:
    try:
        add(str(file), file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{OWN} must be a text in UTF-8; got {type(error).__name__} in {file}. Save it anew.") from None


def own() -> tuple[str, str]:
    """The lecturer's file that was added, and its text: what another process must add to know the same exercises."""
    return next(((file, text) for file, (text, _) in _own.items()), ("", ""))


def add(file: str, text: str) -> None:
    """Add the exercises of a file, from its text; raises UserError, with the line, for what is wrong with it."""
    if not text or _own.get(file, ("",))[0] == text:
        return
    space: dict[str, Any] = {"__name__": "dlcourse_exercises", "__file__": file}
    try:
        exec(compile(text, file, "exec"), space)
    except Exception as error:
        raise UserError(f"{OWN} must be Python that runs; got {place_of(error, file)}. Mend it.") from error
    entries = {value.name: value for value in space.values() if isinstance(value, Exercise | Question)}
    taken = sorted(entries.keys() & course().keys())
    if not entries or taken:
        got = f"the course's own {', '.join(taken)}" if taken else "none"
        raise UserError(
            f"{OWN} must hold exercises with names of their own; got {got} in {file}. See docs/instructors.md."
        )
    _own.clear()
    _own[file] = text, entries
