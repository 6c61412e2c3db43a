"""What was handed in: a folder or a zip, as learning platforms export them, read without trusting any of it.

    for submission in read(path): submission.student, submission.files, submission.problem
    roll_in(path): whose is what, and what is nobody's (see roll)

A folder or a zip for each student, or files; anything deeper belongs to them too. What is wrong with one submission is
a problem of that student, in words, and of nobody else.
"""

import io
import os
import re
import stat
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from dlcourse.grading.names import is_ignored, is_notebook, is_zip, readable
from dlcourse.grading.platforms import Who
from dlcourse.grading.roll import LEVELS, Roll, roll_of
from dlcourse.workspace import UserError

NOTEBOOK = 10 << 20  # bytes of one notebook; ours have a few kilobytes
TOGETHER = 40 << 20  # of everything that one student handed in
ENTRIES = 2000  # files of one student
STUDENTS = 100_000
ANSWERS_OF_OTHERS = {"Feedback Attachment(s)"}  # Sakai's folder for what comes back


class Refused(Exception):
    """Of one student's submission; the message says why."""


@dataclass
class Submission:
    """files: the notebooks, name and content, the latest last. problem: why it was refused. parts: what it came in."""

    student: str
    files: tuple[tuple[str, bytes], ...] = ()
    problem: str = ""
    parts: tuple[str, ...] = ()
    who: Who = field(default_factory=lambda: Who(""))


class Folder:
    """A folder that is there, as roll sees it."""

    def __init__(self, root: Path):
        self.root = root

    def inside(self, folder: str) -> Mapping[str, bool]:
        place = self.root / folder
        if folder and (place.is_symlink() or not place.is_dir()):
            return {}
        with os.scandir(place) as found:
            return {entry.name: not entry.is_file(follow_symlinks=False) for entry in found}  # links and pipes: refused

    def text(self, file: str) -> bytes:
        return read_file(self.root / file, NOTEBOOK)[:NOTEBOOK]

    def put_on(self, shelf: "Shelf", place: str, part: str) -> None:
        shelf.add_path(self.root / place / part, self.root / place, LEVELS)

    def close(self) -> None:
        pass


class Archive:
    """A zip, as roll sees it. The names in it may be of any kind: for whose it is, what climbs counts as nothing."""

    def __init__(self, path: Path):
        self.zip = zipfile.ZipFile(path)
        if len(self.zip.infolist()) > STUDENTS * 10:
            raise UserError(f"SUBMISSIONS must hold at most {STUDENTS * 10} files; got more. Unpack it first.")

    @cached_property
    def folders(self) -> dict[str, dict[str, bool]]:
        found: dict[str, dict[str, bool]] = {"": {}}
        for entry in self.zip.infolist():
            *above, last = harmless(entry.filename) or [""]
            for level, name in enumerate(above[: LEVELS + 4]):
                found.setdefault("".join(f"{n}/" for n in above[:level]), {})[name] = True
            if last:
                found.setdefault("".join(f"{n}/" for n in above), {}).setdefault(last, entry.is_dir())
        return found

    @cached_property
    def entries(self) -> dict[str, list[zipfile.ZipInfo]]:
        """By each of the folders that they lie in, and by their own name."""
        found: dict[str, list[zipfile.ZipInfo]] = {}
        for entry in self.zip.infolist():
            parts = harmless(entry.filename)
            for level in range(1, min(len(parts), LEVELS) + 1):
                found.setdefault("/".join(parts[:level]), []).append(entry)
        return found

    def inside(self, folder: str) -> Mapping[str, bool]:
        return self.folders.get(folder, {})

    def text(self, file: str) -> bytes:
        return unpacked(self.zip, self.entries[file][-1], NOTEBOOK)[:NOTEBOOK]

    def put_on(self, shelf: "Shelf", place: str, part: str) -> None:
        shelf.add_entries(self.zip, self.entries[place + part], place)

    def close(self) -> None:
        self.zip.close()


def harmless(name: str) -> list[str]:
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]


def opened(place: Path) -> Folder | Archive:
    if place.is_dir():
        return Folder(place)
    if place.is_file() and zipfile.is_zipfile(place):
        return Archive(place)
    remedy = "Give what your learning platform exports, all submissions of one assignment."
    raise UserError(f"SUBMISSIONS must be a folder or a zip; got submissions={place}. {remedy}")


def roll_in(place: Path, scheme: str = "") -> Roll:
    with closing(opened(place)) as tree:
        return roll_of(tree, scheme)


def read(place: Path, scheme: str = "") -> Iterator[Submission]:
    """One submission for each student, by name; the files are read as they are asked for."""
    with closing(opened(place)) as tree:
        roll = roll_of(tree, scheme)
        for student in sorted(roll.students):
            files, problem = on_shelf(tree, roll.place, roll.students[student])
            yield Submission(student, files, problem, tuple(roll.students[student]), roll.who[student])


def on_shelf(tree: Folder | Archive, place: str, parts: list[str]) -> tuple[tuple[tuple[str, bytes], ...], str]:
    """The notebooks, or what is wrong with them."""
    shelf = Shelf()
    try:
        for part in parts:
            tree.put_on(shelf, place, part)
        return shelf.notebooks(), ""
    except Refused as error:
        return (), str(error)
    except OSError as error:
        return (), f"It cannot be read ({error.strerror or type(error).__name__})."
    except Exception as error:  # zlib.error, BadZipFile and whatever else a damaged archive brings
        return (), f"It cannot be unpacked ({type(error).__name__})."


class Shelf:
    """One student's notebooks, with a limit to everything. Those of a later part come later."""

    def __init__(self) -> None:
        self.found: dict[str, bytes] = {}
        self.others: list[str] = []  # files that are no notebooks
        self.total = self.count = 0

    def notebooks(self) -> tuple[tuple[str, bytes], ...]:
        if not self.found:
            only = f", only {', '.join(map(readable, self.others[:3]))}" if self.others else ""
            raise Refused(f"There is no notebook (.ipynb) in it{only}.")
        return tuple(self.found.items())

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
                if not is_ignored(inner.name) and inner.name not in ANSWERS_OF_OTHERS:
                    self.add_path(inner, root, levels - 1)
        elif not stat.S_ISREG(mode):
            raise Refused(f"{readable(name)} is no ordinary file.")
        elif is_notebook(name):
            self.take(name, read_file(path, NOTEBOOK))
        elif is_zip(name):
            self.add_zip(name, read_file(path, TOGETHER))
        else:
            self.others.append(name)

    def add_zip(self, name: str, content: bytes) -> None:
        self.total += len(content)
        if self.total > TOGETHER:
            raise Refused(f"Together the files are larger than {TOGETHER >> 20} MB.")
        if content.count(b"PK\x01\x02") > ENTRIES:  # before it is opened: each entry of its list would take memory
            raise Refused(f"There are more than {ENTRIES} files in it.")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            self.add_entries(archive, archive.infolist(), zipped=f"{name}/")

    def add_entries(
        self, archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], place: str = "", zipped: str = ""
    ) -> None:
        for entry in sorted(entries, key=lambda entry: entry.filename):
            self.counted()
            name = checked(entry).removeprefix(place)
            folders = name.split("/")
            if entry.is_dir() or any(map(is_ignored, folders)) or ANSWERS_OF_OTHERS & set(folders):
                continue
            if is_notebook(name):
                self.take(zipped + name, unpacked(archive, entry, NOTEBOOK))
            elif is_zip(name) and not zipped:  # a student's own zip; zips within zips are nobody's homework
                self.add_zip(name, unpacked(archive, entry, TOGETHER))
            else:
                self.others.append(name)


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
