"""How learning platforms name what was handed in: from the names of a class to who each one is.

Most schemes are unmistakable. Canvas's is not (`lab_3_2024_ana.ipynb` looks like it), so it is believed only where it
makes sense for all names together.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from dlcourse.grading.names import is_work, without_ending
from dlcourse.workspace import UserError

METADATA = "submission_metadata.yml"


@dataclass(frozen=True)
class Who:
    """number: the platform's own, for the tables that it takes back. when: what is later counts more, as text."""

    student: str
    number: str = ""
    when: str = ""


class Tree(Protocol):
    """What lies in a folder or a zip, not yet read. A path is "" or ends with a slash."""

    def inside(self, folder: str) -> Mapping[str, bool]:
        """The names in a folder, and whether each is a folder."""

    def text(self, file: str) -> bytes:
        """A file of the platform's own, up to a limit."""


Found = dict[str, Who]
MOODLE = re.compile(r"^(?P<student>.+)_(?P<number>\d+)_assignsubmission_[a-z]+(?:_.*)?$")
CANVAS = re.compile(r"^(?P<student>[^\W_]+)(?:_LATE)?_(?P<number>\d+)_(?P<file>\d+)_(?P<name>.+)$")
BRIGHTSPACE = re.compile(
    r"^(?P<number>\d+)-\d+ - (?P<student>.+?) - (?P<when>[^-]*\d{4},? \d{3,4}(?: ?[AP]M)?)(?: - .*)?$"
)
BLACKBOARD = re.compile(r"^.+_(?P<student>[^_]+)_attempt_(?P<when>\d{4}(?:-\d\d){5})(?:_.*|\.txt)?$")
SAKAI = re.compile(r"^(?P<student>.+\((?P<number>[^()]+)\))$")


def matched(pattern: re.Pattern[str], names: Mapping[str, bool]) -> Found:
    return {name: who_of(match) for name in names if (match := pattern.match(name))}


def who_of(match: re.Match[str]) -> Who:
    facts = match.groupdict()
    number, when = facts.get("number") or "", facts.get("when") or ""
    for form in ("%b %d, %Y %I%M %p", "%d %B, %Y %H%M", "%d %b, %Y %I%M %p", "%B %d, %Y %I%M %p"):
        try:
            when = datetime.strptime(when, form).isoformat()
        except ValueError:
            continue
    return Who(facts["student"], number, when)


def numbered(pattern: re.Pattern[str]) -> Callable[[Mapping[str, bool]], Found]:
    """Two students may have one name: the number tells them apart."""

    def found(names: Mapping[str, bool]) -> Found:
        whos = matched(pattern, names).items()
        return {name: Who(f"{who.student}_{who.number}", who.number, who.when) for name, who in whos}

    return found


def canvas(names: Mapping[str, bool]) -> Found:
    """Only where all names together make sense so: every file has a number of its own, every student one name and no
    two files of the same name, and the class is no single student.
    """
    matches = {name: match for name in names if (match := CANVAS.match(name))}
    if any(is_folder for is_folder in names.values()) or set(matches) != {
        n for n in names if is_work(n) or n in matches
    }:
        return {}
    files = [match["file"] for match in matches.values()]
    people = {(match["student"], match["number"]) for match in matches.values()}
    handed_in = {(match["number"], match["name"]) for match in matches.values()}
    sound = len(set(files)) == len(files) == len(handed_in) and len(people) == len({number for _, number in people})
    together = len(people) == 1 and len(files) > 1
    return numbered(CANVAS)(names) if sound and not together else {}


BY_NAME: dict[str, Callable[[Mapping[str, bool]], Found]] = {
    "moodle": numbered(MOODLE),
    "brightspace": numbered(BRIGHTSPACE),
    "blackboard": lambda names: matched(BLACKBOARD, names),
}


def gradescope(tree: Tree, place: str, names: Mapping[str, bool]) -> Found:
    """Folders have numbers; who is behind each stands in a file beside them."""
    import yaml  # type: ignore[import-untyped]

    if METADATA not in names:
        return {}
    try:
        facts = yaml.load(tree.text(place + METADATA), getattr(yaml, "CBaseLoader", yaml.BaseLoader))
        people = {str(folder): entry[":submitters"] for folder, entry in facts.items()}
        folders = [name for name, is_folder in names.items() if is_folder and re.match(r"submission_\d+$", name)]
        return {name: submitter(people[name]) for name in folders if name in people}
    except (yaml.YAMLError, AttributeError, KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        remedy = "Delete it: folders are students then."
        raise UserError(f"{METADATA} must say who handed in what; got what cannot be read ({type(error).__name__}). "
                        f"{remedy}") from None  # fmt: skip


def submitter(people: Sequence[Mapping[str, str]]) -> Who:
    names = [str(person[":name"]) for person in people]
    numbers = [str(person.get(":sid") or person.get(":email") or "") for person in people]
    return Who(f"{' & '.join(names)}_{numbers[0]}" if numbers[0] else " & ".join(names), numbers[0])


def sakai(tree: Tree, place: str, names: Mapping[str, bool]) -> Found:
    of_sakai = {name: True for name in names if "Submission attachment(s)" in tree.inside(f"{place}{name}/")}
    return matched(SAKAI, of_sakai)


def github(tree: Tree, place: str, names: Mapping[str, bool]) -> Found:
    """A clone for each student, assignment-username, in a folder assignment-submissions."""
    outer = place.rstrip("/").rpartition("/")[2]
    clones = [name for name, is_folder in names.items() if is_folder and ".git" in tree.inside(f"{place}{name}/")]
    same = os.path.commonprefix(clones) if len(clones) == len(names) > 1 else ""  # noqa: RUF071, of their letters
    prefix = same[: same.rfind("-") + 1]
    if outer.endswith("-submissions") and all(n.startswith(outer.removesuffix("submissions")) for n in names):
        prefix = outer.removesuffix("submissions")
    whole = len(prefix) > 1
    return {name: Who(name.removeprefix(prefix)) for name in names if whole and name.startswith(prefix)}


def ilias(tree: Tree, place: str, names: Mapping[str, bool]) -> Found:
    """Surname_First name_login_number, all of it is the student."""
    held = re.search(r"(?:^|/)(?:Abgaben|Submissions)\b[^/]*/$", place)
    return {name: Who(name, name.rpartition("_")[2]) for name in names if names[name]} if held else {}


def plain(name: str) -> Who:
    return Who(without_ending(name))


def of_names(scheme: Callable[[Mapping[str, bool]], Found]) -> Callable[[Tree, str, Mapping[str, bool]], Found]:
    return lambda tree, place, names: scheme(names)


SCHEMES: dict[str, Callable[[Tree, str, Mapping[str, bool]], Found]] = {
    **{name: of_names(scheme) for name, scheme in BY_NAME.items()},
    "gradescope": gradescope,
    "sakai": sakai,
    "ilias": ilias,
    "github": github,
    "canvas": of_names(canvas),
    "plain": lambda tree, place, names: {},
}


def recognized(tree: Tree, place: str, names: Mapping[str, bool]) -> str:
    """The first scheme that fits half of the class."""
    things = [name for name, is_folder in names.items() if is_folder or is_work(name)]
    for scheme, found in SCHEMES.items():
        fits = found(tree, place, names)
        if fits and 2 * sum(name in fits for name in things) >= len(things):
            return scheme
    return "plain"
