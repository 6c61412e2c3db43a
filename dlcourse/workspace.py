"""The learner's folder: a copy of the notebooks that an upgrade refreshes without touching what the learner changed.

A manifest in the folder lists, for every file the course ever put there, the digests of the versions it delivered. A
file whose digest is listed is untouched and may be replaced; any other file is the learner's and is only ever kept.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from dlcourse import __version__

CONTENT = ("notebooks", "exercises")  # the levels are kept, so that links between the two work everywhere
START_PAGE = "notebooks/00_start.ipynb"
DEFAULT_FOLDER = Path("dlcourse-work")
MANIFEST = ".dlcourse.json"


class UserError(Exception):
    """Something the person at the terminal can put right: told in one sentence, without a traceback."""


def shipped_root() -> Path:
    """The folder that holds the course's own notebooks: inside the installed package, or the checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "_content"
    return installed if installed.is_dir() else package.parent


def shipped_files(root: Path | None = None) -> dict[str, Path]:
    """Every file a learner gets: its path in the learner's folder, and where it lies now."""
    root = root or shipped_root()
    files = (path for name in CONTENT for path in sorted((root / name).rglob("*")) if path.is_file())
    return {path.relative_to(root).as_posix(): path for path in files if not _is_debris(path.relative_to(root))}


@dataclass
class Update:
    """What one update did, as paths in the learner's folder."""

    folder: Path
    added: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)  # changed by the learner, and still the latest version
    offered: dict[str, str] = field(default_factory=dict)  # changed by the learner -> the new version beside it
    lost_record: bool = False

    def __str__(self) -> str:
        def lines() -> Iterator[str]:
            if self.lost_record:
                yield f"The record of shipped files ({MANIFEST}) was unreadable: every changed file was kept."
            if self.added:
                yield f"{_files(self.added)} copied."
            if self.replaced:
                yield f"{_files(self.replaced)} replaced by a new version; you had not changed them."
            if self.kept:
                yield f"{_files(self.kept)} changed by you, kept as they are."
            for path, beside in self.offered.items():
                yield f"{path} changed by you, kept; the new version is {beside}."

        return "\n".join([f"Your folder: {self.folder}", *(f"  {line}" for line in lines())])


def update(folder: Path, root: Path | None = None, version: str = __version__) -> Update:
    """Bring the learner's folder up to date with the shipped files; raises UserError where that cannot be done."""
    folder, root = folder.expanduser().resolve(), (root or shipped_root()).resolve()
    _refuse_sources(folder, root)
    files = shipped_files(root)
    if START_PAGE not in files:
        raise UserError(
            f"The installed course must contain {START_PAGE}; got none in folder={root}. Reinstall dlcourse."
        )
    try:
        return _deliver(folder, files, version)
    except OSError as error:
        raise UserError(
            f"FOLDER must be a folder you can write to; got folder={folder} "
            f"({error.strerror or error}). Give another one: dlcourse lab FOLDER."
        ) from error


def _deliver(folder: Path, files: dict[str, Path], version: str) -> Update:
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):  # an up-to-date folder would only fail later, when the learner saves
        raise PermissionError("not writable")
    manifest = Manifest(folder / MANIFEST)
    done = Update(folder, lost_record=manifest.damaged)
    try:
        for name, source in files.items():
            _deliver_file(folder, name, learners_copy(source), version, manifest, done)
    finally:
        manifest.save()  # also when the disk is full half-way: the next run goes on from here
    return done


def learners_copy(path: Path) -> bytes:
    """What a learner gets of a shipped file: of a notebook, no outputs. They would answer its guesses beforehand."""
    content = path.read_bytes()
    try:
        notebook = json.loads(content) if path.suffix == ".ipynb" else {}
        cells = notebook["cells"]
    except (ValueError, KeyError, TypeError):  # no notebook: as it is
        return content
    for cell in cells:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def _deliver_file(folder: Path, name: str, content: bytes, version: str, manifest: Manifest, done: Update) -> None:
    path, new = folder / name, _digest(content)
    present = _digest_of(path)
    if present is None:
        write_whole(path, content)
        done.added.append(name)
    elif present == new:
        pass
    elif manifest.delivered(name, present):
        write_whole(path, content)
        done.replaced.append(name)
    elif manifest.latest(name) == new:
        done.kept.append(name)
    else:
        done.offered[name] = _put_beside(folder, name, content, version, manifest)
    manifest.record(name, new)


def _put_beside(folder: Path, name: str, content: bytes, version: str, manifest: Manifest) -> str:
    """Write `content` as NAME.new-VERSION.ipynb, or -2, -3, … where that file is itself the learner's by now."""
    stem, suffix = os.path.splitext(name)
    for number in count(1):
        beside = f"{stem}.new-{version}{f'-{number}' if number > 1 else ''}{suffix}"
        present = _digest_of(folder / beside)
        if present in (None, _digest(content)) or manifest.delivered(beside, present):
            break
    write_whole(folder / beside, content)
    manifest.record(beside, _digest(content))
    return beside


class Manifest:
    """The digests of every version delivered, oldest first, by path. A damaged one knows none: no file is replaced."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged = False
        self.files: dict[str, list[str]] = {}
        if path.exists():
            try:
                self.files = {
                    str(name): [str(d) for d in digests]
                    for name, digests in json.loads(path.read_bytes())["files"].items()
                }
            except (ValueError, KeyError, TypeError, AttributeError):
                self.damaged = True

    def delivered(self, name: str, digest: str | None) -> bool:
        return digest in self.files.get(name, [])

    def latest(self, name: str) -> str | None:
        digests = self.files.get(name)
        return digests[-1] if digests else None

    def record(self, name: str, digest: str) -> None:
        earlier = [d for d in self.files.get(name, []) if d != digest]
        self.files[name] = [*earlier, digest]

    def save(self) -> None:
        write_whole(self.path, json.dumps({"files": self.files}, indent=1).encode())


def _refuse_sources(folder: Path, root: Path) -> None:
    """Learners work on copies: a folder whose files are the course's own would be edited in place."""
    sources = [root / name for name in CONTENT] + [Path(__file__).resolve().parent]
    targets = [folder, *((folder / name).resolve() for name in CONTENT)]
    if any(target.is_relative_to(source) for target in targets for source in sources):
        raise UserError(
            f"FOLDER must lie outside the course's own files; got folder={folder}. "
            f"Give another one, or none for ./{DEFAULT_FOLDER}."
        )


def write_whole(path: Path, content: bytes) -> None:
    """All or nothing: a crash leaves the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest_of(path: Path) -> str | None:
    return _digest(path.read_bytes()) if path.exists() else None


def _is_debris(path: Path) -> bool:
    """What editors and Python leave beside notebooks, and nobody ships."""
    return any(part.startswith((".", "__pycache__")) for part in path.parts)


def _files(names: list[str]) -> str:
    return "1 file" if len(names) == 1 else f"{len(names)} files"
