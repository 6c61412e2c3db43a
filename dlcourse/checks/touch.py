"""Does an answer reach outside, for a file, another program, the network? Python itself reports it (audit events)."""

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

from dlcourse.checks.faults import NOT_THE_LEARNERS

EVENTS = {
    "subprocess.Popen": "other programs", "os.system": "other programs", "os.fork": "other processes",
    "_thread.start_new_thread": "threads", "socket.connect": "network", "socket.bind": "network",
}  # fmt: skip
CODE = (".py", ".pyc", ".so", ".pyd")
_watching: list[tuple[int, list[str]]] = []  # the threads that want to know, and their lists
_hooked: list[bool] = []  # a hook cannot be taken away again, so there is one


@contextlib.contextmanager
def touched() -> Iterator[list[str]]:
    """A list that fills, in words, with what is reached for in the meantime."""
    if not _hooked:
        _hooked.append(True)
        sys.addaudithook(heard)
    found: list[str] = []
    _watching.append((threading.get_ident(), found))
    try:
        yield found
    finally:
        _watching.pop()


def heard(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watching:
        return
    words = EVENTS.get(event, "")
    if event == "open" and isinstance(arguments[0], str) and not is_code(arguments[0]):
        words = "files"
    for thread, found in _watching:
        if words and words not in found and thread == threading.get_ident():
            found.append(words)


def is_code(path: str) -> bool:
    """A module that is imported, or something of Python's own."""
    return path.endswith(CODE) or path.startswith((*NOT_THE_LEARNERS, "/dev/", "/proc/"))
