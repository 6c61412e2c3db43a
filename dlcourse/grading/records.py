"""What a grading keeps, for the eyes of its owner: the secret, the log, and a folder that nobody else can read."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from dlcourse.workspace import UserError


@contextlib.contextmanager
def private(out: Path) -> Iterator[None]:
    """Inside, what this process writes is for its owner alone; so is the folder of the grades, if it is made now."""
    before = os.umask(0o077)
    try:
        out.mkdir(parents=True, exist_ok=True)
        yield
    except FileExistsError:
        raise UserError(f"DIR must be a folder; got out={out}. Give another one.") from None
    finally:
        os.umask(before)


def secret_of(path: Path) -> bytes:
    """Made when first asked for, for this user's eyes only; there whole or not at all, whatever happens."""
    try:
        found = path.read_bytes().strip()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        made = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            write_now(made, secrets.token_hex(32).encode() + b"\n")
            put_in_place(made, path)
        finally:
            made.unlink(missing_ok=True)
        return secret_of(path)
    if len(found) < 16:
        remedy = "Delete it for a new one; every grade then rests on new inputs."
        raise UserError(f"--seed-file must hold 16 characters or more; got {path}. {remedy}")
    return found


def put_in_place(made: Path, path: Path) -> None:
    """Under its name, unless another grading was quicker: then that one's secret holds."""
    with contextlib.suppress(FileExistsError):
        try:
            os.link(made, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            os.replace(made, path)
    if hasattr(os, "O_DIRECTORY"):
        folder = os.open(path.parent, os.O_DIRECTORY)
        os.fsync(folder)
        os.close(folder)


def write_now(path: Path, content: bytes) -> None:
    """On the disk, not only on its way there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


class Log:
    """In a `with`: lines with the time, added to a file."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> "Log":
        self.file = open(self.path, "a", encoding="utf-8", errors="replace")
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def say(self, line: str) -> None:
        self.file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {line}\n")
        self.file.flush()
