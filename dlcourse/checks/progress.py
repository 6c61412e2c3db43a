"""What is solved, in a plain file beside the learner's notebooks: `.dlcourse-progress.json`.

It lies in the folder that `dlcourse lab` made, or where that is not found, in the notebook's own. Every change writes a
new file and puts it in the place of the old one: a crash leaves one or the other, never half of one.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dlcourse.checks.exercise import Exercise, Question
from dlcourse.checks.report import Report
from dlcourse.workspace import MANIFEST, UserError, write_whole

FILE = ".dlcourse-progress.json"
FOLDER = "DLCOURSE_PROGRESS"  # set in the environment, it names the folder; set to nothing, nothing is kept


def place(start: Path | None = None) -> Path:
    """The progress file that belongs to a folder: in it or above it, where the course's manifest or one lies."""
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / MANIFEST).is_file() or (folder / FILE).is_file():
            return folder / FILE
    return start / FILE


def in_notebook() -> bool:
    kernel = sys.modules.get("ipykernel.kernelapp")
    return kernel is not None and kernel.IPKernelApp.initialized()


def load(path: Path) -> dict[str, Any]:
    """What is solved, by name. A damaged file counts as empty; `record` puts it aside and begins a new one."""
    try:
        found = json.loads(path.read_bytes())["solved"]
        return {str(name): dict(entry) for name, entry in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def record(report: Report, exercise: Exercise | Question) -> Report:
    """Note a solved exercise. Only a notebook keeps a record, so that scripts and tests leave no files behind."""
    folder = os.environ.get(FOLDER)
    if not report or folder == "" or (folder is None and not in_notebook()):
        return report
    try:
        path = place(Path(folder) if folder else None)
        solved = load(path)
        if exercise.name not in solved:
            if path.exists() and not solved:
                os.replace(path, path.with_name(path.name + ".damaged"))
            when = datetime.now(UTC).isoformat(timespec="seconds")
            solved[exercise.name] = {"points": report.points, "when": when}
            write_whole(path, json.dumps({"solved": solved}, indent=1).encode())
    except OSError as error:
        note = f"Progress could not be kept: {error.strerror}."
        return replace(report, note=f"{report.note}\n{note}".strip())
    return report


def overview(folder: Path, exercises: Mapping[str, Exercise | Question]) -> Iterator[str]:
    """Line by line, what is solved in each chapter."""
    if not folder.is_dir():
        raise UserError(f"FOLDER must be a folder; got folder={folder}. Give the one your notebooks are in.")
    files = [place(folder), *sorted(folder.glob(f"exercises/*/{FILE}"))]  # the latter without a `dlcourse lab` folder
    if not any(file.is_file() or (file.parent / MANIFEST).is_file() for file in files):
        raise UserError(
            f"FOLDER must be one where exercises were solved; got folder={folder.resolve()}, without {FILE}."
            " Give the one your notebooks are in."
        )
    solved = {name for file in files for name in load(file)}
    points = sum(exercises[name].points for name in solved if name in exercises)
    total = sum(exercise.points for exercise in exercises.values())
    yield f"{sum(name in exercises for name in solved)} of {len(exercises)} exercises, {points} of {total} points"
    for chapter in sorted({exercise.chapter for exercise in exercises.values()}):
        own = [exercise for exercise in exercises.values() if exercise.chapter == chapter]
        done = sum(exercise.name in solved for exercise in own)
        yield f"\n{chapter}   {done} of {len(own)}"
        for exercise in own:
            sign = "✓" if exercise.name in solved else "·"
            yield f"  {sign} {exercise.title}   (exercises/{exercise.notebook}: {exercise.name})"
