"""What was handed in: a folder or a zip, as learning platforms export them, read without trusting any of it.

    for submission in read(path): submission.student, submission.files, submission.problem
    around(path): the one folder around the whole class, if there is one
    passed_over(path): what is there and is taken for nobody's

A folder or a zip for each student, or one file for each; anything deeper belongs to them too. One folder around the
whole class does no harm. Names may be Moodle's
(`Ana López_12345_assignsubmission_file_`), Canvas's (`lopezana_12345_67890_momentum.ipynb`) or nbgrader's
(`ana/momentum/momentum.ipynb`). What is wrong with one submission is a problem of that student, in words, and of nobody
else.
"""

import hashlib
import io
import os
import re
import stat
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from dlcourse.checks import exercises
from dlcourse.workspace import UserError

NOTEBOOK = 10 << 20  # bytes of one notebook; ours have a few kilobytes
TOGETHER = 40 << 20  # of everything that one student handed in
ENTRIES = 2000  # files of one student
LEVELS = 8  # folders within folders
STUDENTS = 100_000
IGNORED = {"__MACOSX", "node_modules", "__pycache__"}
DEBRIS = IGNORED | {".DS_Store", ".ipynb_checkpoints", ".git", ".gitignore", ".localized"}

MOODLE = re.compile(r"^(?P<student>.+_\d+)_assignsubmission_\w+?(?:_(?P<file>[^/]*))?$")
CANVAS = re.compile(r"^(?P<student>[^\W_]+)(?:_LATE)?_(?P<number>\d+)_\d+_(?P<file>.+)$")


class Refused(Exception):
    """Of one student's submission; the message says why."""


@dataclass
class Submission:
    """files: the notebooks, name and content, in the order of names. problem: why it was refused."""

    student: str
    files: tuple[tuple[str, bytes], ...] = ()
    problem: str = ""


@dataclass
class Source:
    """Where one student's work lies, not yet read: paths of a folder, or entries of a zip."""

    student: str
    archive: zipfile.ZipFile | None = None
    paths: list[Path] = field(default_factory=list)
    entries: list[zipfile.ZipInfo] = field(default_factory=list)

    def opened(self) -> Submission:
        shelf = Shelf()
        try:
            shelf.add_paths(self.paths)
            if self.archive:
                shelf.add_entries(self.archive, self.entries)
            return Submission(self.student, shelf.notebooks())
        except Refused as error:
            problem = str(error)
        except OSError as error:
            problem = f"It cannot be read ({error.strerror or type(error).__name__})."
        except Exception as error:  # zlib.error, BadZipFile and whatever else a damaged archive brings
            problem = f"It cannot be unpacked ({type(error).__name__})."
        return Submission(self.student, problem=problem)


def read(place: Path) -> Iterator[Submission]:
    """One submission for each student, by name; the files are read as they are asked for."""
    if place.is_dir():
        yield from (source.opened() for source in in_folder(place))
    elif place.is_file() and zipfile.is_zipfile(place):
        with zipfile.ZipFile(place) as archive:
            yield from (source.opened() for source in in_archive(archive))
    else:
        remedy = "Give what your learning platform exports, all submissions of one assignment."
        raise UserError(f"SUBMISSIONS must be a folder or a zip; got submissions={place}. {remedy}")


def in_folder(place: Path) -> list[Source]:
    found: dict[str, Source] = {}
    for path in sorted((place / around(place)).iterdir()):
        if not is_ignored(path.name):
            student = students_name(path.name)
            found.setdefault(student, Source(student)).paths.append(path)
    return [found[name] for name in sorted(found)]


def in_archive(archive: zipfile.ZipFile) -> list[Source]:
    entries = [entry for entry in archive.infolist() if not any(map(is_ignored, entry.filename.split("/")[:-1]))]
    if len(entries) > STUDENTS * 10:
        raise UserError(f"SUBMISSIONS must hold at most {STUDENTS * 10} files; got {len(entries)}. Unpack it first.")
    wrapped = wrapping_folder([entry.filename for entry in entries])
    found: dict[str, Source] = {}
    for entry in entries:
        name = entry.filename.removeprefix(wrapped)
        first = next((part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")), "")
        if first and not (entry.is_dir() and "/" not in name.rstrip("/")) and not is_ignored(first):
            student = students_name(first)
            found.setdefault(student, Source(student, archive)).entries.append(entry)
    return [found[name] for name in sorted(found)]


def around(place: Path) -> str:
    """The name of the one folder in `place` that holds the whole class, with a slash; "" where there is none."""
    if not place.is_dir():
        with zipfile.ZipFile(place) as archive:
            return wrapping_folder(archive.namelist())
    inner = [path for path in place.iterdir() if not is_ignored(path.name)]
    if len(inner) != 1 or inner[0].is_symlink() or not inner[0].is_dir():
        return ""
    names = [Path(folder, file) for folder, _, files in os.walk(inner[0]) for file in files]
    return wrapping_folder([name.relative_to(place).as_posix() for name in names])


def wrapping_folder(names: list[str]) -> str:
    """The one folder around everything that zipping a folder adds. With one thing in it, it is a student's own.

    So it is with several of our notebooks, each under its own name or in a folder of that name, as nbgrader has it.
    """
    places = [name.split("/") for name in names if not any(map(is_ignored, name.split("/")))]
    firsts = {parts[0] for parts in places}
    seconds = {parts[1] for parts in places if len(parts) > 1 and (is_notebook(parts[-1]) or is_zip(parts[-1]))}
    wrapped = len(firsts) == 1 and len(seconds) > 1 and all(len(parts) > 1 for parts in places)
    ours = {exercise.notebook for exercise in exercises().values()}
    own = all(re.sub(r"\.(ipynb|zip)$", "", second, flags=re.IGNORECASE) in ours for second in seconds)
    return f"{firsts.pop()}/" if wrapped and not own else ""


def passed_over(place: Path) -> list[str]:
    """What is at the top, is hidden, and is none of the debris that systems leave: a student may have such a name."""
    wrapped = around(place)
    if place.is_dir():
        names = {path.name for path in (place / wrapped).iterdir()}
    else:
        with zipfile.ZipFile(place) as archive:
            names = {name.removeprefix(wrapped).split("/")[0] for name in archive.namelist()}
    return sorted(readable(name) for name in names if is_ignored(name) and name not in DEBRIS)


def students_name(first: str) -> str:
    """The student of a folder or file at the top: the platform's additions are taken off."""
    if match := MOODLE.match(first):
        return unmistakable(match["student"])
    if match := CANVAS.match(first):  # two students may have one name: the number tells them apart
        return unmistakable(f"{match['student']}_{match['number']}")
    return unmistakable(re.sub(r"\.(ipynb|zip)$", "", first, flags=re.IGNORECASE))


def unmistakable(name: str) -> str:
    """Readable; where that loses something, what was lost is told apart by a number, or two students would be one."""
    short = readable(name)
    number = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return short if short == name else f"{short} {number}"


def readable(name: str) -> str:
    """As a text that can be written anywhere: no control characters, no bytes that are not Unicode, not too long."""
    name = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    name = "".join(c if c.isprintable() else " " if unicodedata.category(c) == "Zs" else "?" for c in name).strip()
    return name[:120] or "(no name)"


def is_ignored(name: str) -> bool:
    return name.startswith(".") or name in IGNORED


class Shelf:
    """One student's notebooks, with a limit to everything."""

    def __init__(self) -> None:
        self.found: dict[str, bytes] = {}
        self.total = self.count = 0

    def notebooks(self) -> tuple[tuple[str, bytes], ...]:
        if not self.found:
            raise Refused("There is no notebook (.ipynb) in it.")
        return tuple(sorted(self.found.items()))

    def take(self, name: str, content: bytes) -> None:
        self.total += len(content)
        if len(content) > NOTEBOOK:
            raise Refused(
                f"{readable(name)} is larger than {NOTEBOOK >> 20} MB. Clear its outputs and hand it in again."
            )
        if self.total > TOGETHER:
            raise Refused(f"Together the files are larger than {TOGETHER >> 20} MB.")
        if name in self.found:
            raise Refused(f"Two files have the name {readable(name)}.")
        self.found[name] = content

    def counted(self) -> None:
        self.count += 1
        if self.count > ENTRIES:
            raise Refused(f"There are more than {ENTRIES} files in it.")

    def add_paths(self, paths: list[Path]) -> None:
        for path in paths:
            self.add_path(path, path.parent, LEVELS)

    def add_path(self, path: Path, root: Path, levels: int) -> None:
        self.counted()
        mode = path.lstat().st_mode
        name = path.relative_to(root).as_posix()
        if stat.S_ISLNK(mode):
            raise Refused(f"{readable(name)} is a link, not a file.")
        if stat.S_ISDIR(mode):
            if levels == 0:
                raise Refused(f"Its folders are more than {LEVELS} deep.")
            for inner in sorted(path.iterdir()):
                if not is_ignored(inner.name):
                    self.add_path(inner, root, levels - 1)
        elif not stat.S_ISREG(mode):
            raise Refused(f"{readable(name)} is no ordinary file.")
        elif is_notebook(name):
            self.take(name, read_file(path, NOTEBOOK))
        elif is_zip(name):
            self.add_zip(name, read_file(path, TOGETHER))

    def add_zip(self, name: str, content: bytes) -> None:
        self.total += len(content)
        if self.total > TOGETHER:
            raise Refused(f"Together the files are larger than {TOGETHER >> 20} MB.")
        if content.count(b"PK\x01\x02") > ENTRIES:  # before it is opened: each entry of its list would take memory
            raise Refused(f"There are more than {ENTRIES} files in it.")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            self.add_entries(archive, archive.infolist(), nested=True)

    def add_entries(self, archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], nested: bool = False) -> None:
        for entry in entries:
            self.counted()
            name = checked(entry)
            if entry.is_dir() or any(map(is_ignored, name.split("/"))):
                continue
            if is_notebook(name):
                self.take(name, unpacked(archive, entry, NOTEBOOK))
            elif is_zip(name) and not nested:  # a student's own zip; zips within zips are nobody's homework
                self.add_zip(name, unpacked(archive, entry, TOGETHER))


def checked(entry: zipfile.ZipInfo) -> str:
    """The name of an entry; refused if it is one that means harm wherever it were unpacked."""
    name = entry.filename.replace("\\", "/")
    if name.startswith("/") or re.match(r"^[A-Za-z]:", name) or ".." in PurePosixPath(name).parts:
        raise Refused(f"{readable(name)} is a path that leads elsewhere.")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise Refused(f"{readable(name)} is a link, not a file.")
    if entry.flag_bits & 1:
        raise Refused(f"{readable(name)} is encrypted.")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others may ask for any memory
        raise Refused(f"{readable(name)} is packed in an unusual way.")
    return name


def unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> bytes:
    """What it says of its size is not believed: it is read up to the limit and one byte further."""
    with archive.open(entry) as file:
        return file.read(limit + 1)


def read_file(path: Path, limit: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # it was exchanged since it was looked at
            raise Refused("It is no ordinary file.")
        return file.read(limit + 1)


def is_notebook(name: str) -> bool:
    return name.lower().endswith(".ipynb")


def is_zip(name: str) -> bool:
    return name.lower().endswith(".zip")
