"""What files try, each with the words that its student must read. A function makes one submission at a path.

Nothing here may earn a point; every one comes without a solution that could.
"""

import io
import json
import os
import struct
import warnings
import zipfile

WRONG = "def momentum_step(*a):\n    return 0, 0\n"


def cell(source=WRONG, **metadata):
    return {"cell_type": "code", "metadata": metadata, "source": source, "outputs": [], "execution_count": None}


def book(*cells, **more):
    return json.dumps({"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **more}).encode()


def zipped(*entries, method=zipfile.ZIP_DEFLATED, **change):
    """A zip of (name, content) pairs; change: attributes of every entry."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            for key, value in change.items():
                setattr(info, key, value)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # two of one name are what one of them is about
                archive.writestr(info, content)
    return made.getvalue()


def notebook(content):
    def make(path):
        path.mkdir()
        (path / "momentum.ipynb").write_bytes(content)

    return make


def own_zip(*entries, **change):
    def make(path):
        path.mkdir()
        (path / "work.zip").write_bytes(zipped(*entries, **change))

    return make


def link_to_file(path):
    path.mkdir()
    (path / "momentum.ipynb").symlink_to("/etc/passwd")


def link_to_folder(path):
    path.mkdir()
    (path / "work").symlink_to("/")


def link_to_neighbour(path):
    path.symlink_to(path.parent / "honest 1")


def link_to_itself(path):
    path.mkdir()
    (path / "momentum.ipynb").symlink_to("momentum.ipynb")
    (path / "work").symlink_to(path)


def pipe(path):
    path.mkdir()
    os.mkfifo(path / "momentum.ipynb")


def deep(path):
    inner = path
    for _ in range(40):
        inner = inner / "x"
    inner.mkdir(parents=True)


def many(path):
    path.mkdir()
    for n in range(2100):
        (path / f"{n}.txt").touch()


def huge(path):
    path.mkdir()
    with open(path / "momentum.ipynb", "wb") as file:
        file.truncate(1 << 34)


def encrypted(path):
    path.mkdir()
    content = bytearray(zipped(("momentum.ipynb", book(cell()))))
    for header, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(header) + place] |= 1
    (path / "work.zip").write_bytes(content)


def damaged(path):
    path.mkdir()
    content = bytearray(zipped(("momentum.ipynb", book(cell()) * 5)))
    content[60:100] = bytes(40)
    (path / "work.zip").write_bytes(content)


def many_entries(path):
    """The list of contents is long, though there is next to nothing in it."""
    one = zipped(("x", b""))
    at = one.index(b"PK\x01\x02")
    listed, end = one[at : one.index(b"PK\x05\x06")], one[one.index(b"PK\x05\x06") :]
    path.mkdir()
    size = struct.pack("<HHII", 60_000, 60_000, len(listed) * 60_000, at)
    (path / "work.zip").write_bytes(one[:at] + listed * 60_000 + end[:8] + size + end[20:])


BOMB = zipped(("momentum.ipynb", bytes(1 << 26)))
LINK = 0o120777 << 16

FILES = {
    "no notebook": (lambda path: path.mkdir(), "There is no notebook"),
    "empty file": (notebook(b""), "cannot be read as a notebook"),
    "no JSON": (notebook(b"def momentum_step(): pass"), "cannot be read as a notebook"),
    "bytes of no text": (notebook(b"\xff\xfe def momentum_step" + bytes(range(256))), "cannot be read as a notebook"),
    "JSON that is a list": (notebook(b'["def momentum_step"]'), "has no cells"),
    "old format": (notebook(b'{"nbformat": 3, "worksheets": [], "x": "def momentum_step"}'), "has no cells"),
    "cells that are a text": (notebook(b'{"cells": "def momentum_step"}'), "has no cells"),
    "nested a hundred thousand deep": (
        notebook(b'{"x": "def momentum_step", "cells": ' + b"[" * 100_000), "cannot be read as a notebook"
    ),
    "notebook with a number of a million digits": (
        notebook(b'{"x": "def momentum_step", "cells": ' + b"9" * 1_000_000 + b"}"), "cannot be read as a notebook"
    ),
    "ten thousand cells": (notebook(book(*[cell("x = 1")] * 10_000, cell())), "more than 1000 cells"),
    "cells of every wrong type": (
        notebook(book(None, 3, "x", [], {}, {"cell_type": []}, {"cell_type": "code", "source": {"a": 1}},
                      {"cell_type": "code", "metadata": [], "source": [1, None, WRONG]})), "momentum"
    ),
    "metadata of every wrong type": (
        notebook(book(cell(nbgrader=[]), cell(nbgrader={"grade_id": {}, "points": "9e99", "locked": 1}))), "momentum"
    ),
    "points in the metadata": (
        notebook(book(cell(nbgrader={"grade_id": "check_momentum_step", "points": 1e9, "grade": True})), ), "momentum"
    ),
    "points in the outputs": (
        notebook(book({**cell(), "outputs": [{"output_type": "execute_result", "data": {"text/plain": "9"}}]})),
        "momentum",
    ),
    "the course's own check cell, rewritten": (
        notebook(book(cell(), cell("momentum_step = lambda *a: 1/0", nbgrader={"locked": True, "solution": False}))),
        "it",
    ),
    "huge file": (huge, "larger than 10 MB"),
    "link to a file": (link_to_file, "is a link"),
    "link to a folder": (link_to_folder, "is a link"),
    "link to a neighbour's folder": (link_to_neighbour, "is a link"),
    "links in a circle": (link_to_itself, "is a link"),
    "named pipe": (pipe, "no ordinary file"),
    "forty folders deep": (deep, "folders are more than"),
    "thousands of files": (many, "more than 2000 files"),
    "zip bomb": (own_zip(("momentum.ipynb", bytes(1 << 28))), "larger than 10 MB"),
    "zip bomb of many": (own_zip(*((f"{n}.ipynb", bytes(9 << 20)) for n in range(6))), "larger than 40 MB"),
    "zip in a zip in a zip": (own_zip(("a.zip", zipped(("b.zip", BOMB)))), "There is no notebook"),
    "zip with a list of sixty thousand files": (many_entries, "more than 2000 files"),
    "zip that asks for four gigabytes to unpack": (own_zip(("momentum.ipynb", book()), method=14), "unusual way"),
    "text that makes a search go round in circles": (
        notebook(b'{"x": "' + b"momentum_step:" * 500_000 + b'", "cells": []}'), "There is no function"
    ),
    "zip that climbs": (own_zip(("../../honest 1/momentum.ipynb", book(cell()))), "leads elsewhere"),
    "zip with an absolute path": (own_zip(("/tmp/dlcourse_pwned.ipynb", book(cell()))), "leads elsewhere"),
    "zip with a drive": (own_zip(("C:\\Users\\x.ipynb", book(cell()))), "leads elsewhere"),
    "zip with a link": (own_zip(("momentum.ipynb", b"/etc/passwd"), external_attr=LINK), "is a link"),
    "zip with two of one name": (own_zip(("a.ipynb", book(cell())), ("a.ipynb", book(cell()))), "Two files"),
    "encrypted zip": (encrypted, "is encrypted"),
    "damaged zip": (damaged, "cannot be unpacked"),
    "no zip at all": (lambda path: path.with_suffix(".zip").write_bytes(b"PK not really"), "cannot be unpacked"),
    "=HYPERLINK(\"http:evil\",\"x\")": (notebook(book(cell())), "momentum"),
    "@SUM(A1:A9)": (notebook(book(cell())), "momentum"),
    "<script>alert(1)<script>": (notebook(book(cell())), "momentum"),
    "name with \n a line, \x1b[31m colour and \u202e direction": (notebook(book(cell())), "momentum"),
    "nul, con, aux. ": (notebook(book(cell())), "momentum"),
}  # fmt: skip
