"""Who handed in what: one naming scheme for the whole class, each student's things, and what is nobody's."""

import re
from dataclasses import dataclass, field

from dlcourse.checks import exercises
from dlcourse.grading.names import (
    DEBRIS,
    VERSION,
    is_ignored,
    is_work,
    readable,
    unmistakable,
    without_ending,
    without_hidden,
)
from dlcourse.grading.platforms import BY_NAME, SCHEMES, Tree, Who, plain, recognized
from dlcourse.workspace import UserError

LEVELS = 8  # folders within folders
AROUND = 4  # folders around a class
HOLDER = re.compile(r"^(?:abgaben|submissions)\b|-submissions$", re.IGNORECASE)  # holds a folder for each student


@dataclass
class Roll:
    """place: the folder around the class. students: by name, where their things lie in `place`, the latest last."""

    place: str = ""
    scheme: str = "plain"
    students: dict[str, list[str]] = field(default_factory=dict)
    who: dict[str, Who] = field(default_factory=dict)
    leftovers: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)  # those that the scheme does not fit

    def merged(self) -> dict[str, list[str]]:
        """Students with several things at the top, where no platform has put them together."""
        several = {student: parts for student, parts in self.students.items() if len(parts) > 1}
        return several if self.scheme in ("plain", "github", "ilias", "gradescope") else {}


def roll_of(tree: Tree, scheme: str = "") -> Roll:
    roll = Roll()
    for _ in range(AROUND):
        folder = around(tree, roll.place)
        if not folder:
            break
        roll.leftovers += [name for name, is_folder in tree.inside(roll.place).items() if not is_folder]
        roll.place += folder
    names = tree.inside(roll.place)
    roll.hidden = sorted(readable(name) for name in names if is_ignored(name) and name not in DEBRIS)
    names = without_hidden(names)
    roll.scheme = scheme or recognized(tree, roll.place, names)
    found = SCHEMES[roll.scheme](tree, roll.place, names)
    students: dict[str, list[tuple[str, str]]] = {}
    for name, is_folder in sorted(names.items()):
        who = found.get(name)
        if who is None and not is_folder and not is_work(name):
            roll.leftovers.append(name)
            continue
        if who is None and roll.scheme != "plain":
            roll.odd.append(name)
        who = who or plain(name)
        students.setdefault(who.student, []).append((who.when, name))
        roll.who[who.student] = who
    roll.leftovers = sorted(readable(name) for name in roll.leftovers if not is_ignored(name))
    shown = unmistakable(students)
    roll.students = {shown[raw]: [name for _, name in sorted(parts)] for raw, parts in students.items()}
    roll.who = {shown[raw]: who for raw, who in roll.who.items()}
    return roll


# The folder around a class


def around(tree: Tree, place: str) -> str:
    """The one folder in `place` that holds the whole class, with a slash; "" where there is none.

    With one thing in it, it is a student's own; so it is with several of our notebooks, each under its own name or in a
    folder of that name, as nbgrader has it.
    """
    names = without_hidden(tree.inside(place))
    folders = [name for name, is_folder in names.items() if is_folder]
    above = [name for name in folders if any(holds(tree, f"{place}{name}/", n) for n in tree.inside(f"{place}{name}/"))]
    if len(above) > 1 and len(above) == len(folders):
        remedy = f"Give one of them, {readable(folders[0])} say."
        raise UserError(f"SUBMISSIONS must be those of one assignment; got {len(folders)}. {remedy}")
    if len(folders) != 1 or any(is_work(name) for name, is_folder in names.items() if not is_folder):
        return ""
    if any(scheme({folders[0]: True}) for scheme in BY_NAME.values()):
        return ""
    if is_class(tree, place, folders[0]):
        return f"{folders[0]}/"
    folder, inner = f"{place}{folders[0]}/", without_hidden(tree.inside(f"{place}{folders[0]}/"))
    works = {without_ending(name) for name, is_folder in inner.items() if has_work(tree, folder, name, is_folder)}
    ours = {exercise.notebook for exercise in exercises().values()}
    return f"{folders[0]}/" if len(works) > 1 and not {VERSION.sub("", work) for work in works} <= ours else ""


def is_class(tree: Tree, place: str, name: str, levels: int = AROUND) -> bool:
    """Is there no doubt, by the names in it or in the only folder in it?"""
    folder, inner = f"{place}{name}/", without_hidden(tree.inside(f"{place}{name}/"))
    if holds(tree, place, name) or recognized(tree, folder, inner) not in ("plain", "canvas"):
        return True
    folders = [inside for inside, is_folder in inner.items() if is_folder]
    return levels > 0 and len(folders) == 1 and is_class(tree, folder, folders[0], levels - 1)


def holds(tree: Tree, place: str, name: str) -> bool:
    """Abgaben, submissions, momentum-submissions: with folders in it, and no work beside them."""
    inside = tree.inside(f"{place}{name}/") if HOLDER.search(name) else {}
    return any(inside.values()) and not any(is_work(n) for n, is_folder in inside.items() if not is_folder)


def has_work(tree: Tree, place: str, name: str, is_folder: bool, levels: int = LEVELS) -> bool:
    if not is_folder:
        return is_work(name)
    inside = tree.inside(f"{place}{name}/") if levels else {}
    return any(has_work(tree, f"{place}{name}/", n, f, levels - 1) for n, f in inside.items() if not is_ignored(n))
