"""What a grading keeps: signed lines, a secret that is whole, files for the owner, and a sentence where none can be."""

import csv
import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from classes import QUICK, RIGHT, WRONG, hand_in, needs_sandbox

from dlcourse.grading import records, returns
from dlcourse.grading.batch import grade_class
from dlcourse.grading.records import secret_of

sandboxed = needs_sandbox()


def grade_folder(folder, out, **more):
    return grade_class(folder, out, lambda: ThreadPoolExecutor(2), notebooks=["momentum"], limits=QUICK, **more)


def refused_class(folder):
    """Without a notebook: graded at once, without a sandbox."""
    for name in ("ana", "ben"):
        (folder / name).mkdir(parents=True)
    return folder


def command(*words, **more):
    program = [sys.executable, "-m", "dlcourse", "grade", *map(str, words), "--notebook", "momentum", "--jobs", "1"]
    options = {"capture_output": True, "text": True, "timeout": 120, **more}
    return subprocess.run(program, **options)


# The journal


CHANGES = {
    "points and passed together": lambda facts: (
        facts["report"].update(points=2), facts["report"]["findings"][0].update(passed=True)),
    "another student": lambda facts: facts.update(student={"ana": "ben", "ben": "ana"}[facts["student"]]),
    "another exercise": lambda facts: (
        facts.update(exercise="another"), facts["report"].update(name="another")),
    "with a sandbox": lambda facts: facts.update(safe=True, seconds=1.0),
    "a word": lambda facts: facts["report"].update(mistake="none"),
    "no seal": lambda facts: facts.pop("seal"),
    "a seal of another kind": lambda facts: facts.update(seal=3),
    "a seal of the same length": lambda facts: facts.update(seal="0" * 64),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_line_that_was_changed_is_not_believed(change, tmp_path):
    place, out = refused_class(tmp_path / "in"), tmp_path / "out"
    grade_folder(place, out)
    lines = (out / "journal.jsonl").read_text().splitlines()
    facts = json.loads(lines[0])
    CHANGES[change](facts)
    (out / "journal.jsonl").write_text("\n".join([json.dumps(facts), *lines[1:]]) + "\n")
    summary = grade_folder(place, out)
    assert summary.fresh == 1
    assert any("left out and graded again: line 1." in note for note in summary.notes)
    assert {row["points"] for row in table(out)} == {"0"}


def test_lines_of_another_grading_are_not_believed(tmp_path):
    place = refused_class(tmp_path / "in")
    for out in ("one", "two"):
        grade_folder(place, tmp_path / out)
    first = len((tmp_path / "two/journal.jsonl").read_text().splitlines()) + 1
    with open(tmp_path / "two/journal.jsonl", "ab") as file:
        file.write((tmp_path / "one/journal.jsonl").read_bytes())
    summary = grade_folder(place, tmp_path / "two")
    assert summary.fresh == 0 and f"line {first}, {first + 1}, {first + 2}" in summary.notes[0]


# The secret


def test_a_secret_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    """The power fails while it is written; the next run finds none, and makes one."""

    def fails(path, content):
        path.write_bytes(content[:5])
        raise KeyboardInterrupt

    monkeypatch.setattr(records, "write_now", fails)
    with pytest.raises(KeyboardInterrupt):
        secret_of(tmp_path / "secret")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert len(secret_of(tmp_path / "secret")) == 64
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


@pytest.mark.parametrize("links", [True, False])
def test_of_two_secrets_made_at_once_one_holds(links, tmp_path, monkeypatch):
    first = secret_of(tmp_path / "secret")
    made = tmp_path / ".made"
    made.write_bytes(b"x" * 64)
    records.put_in_place(made, tmp_path / "secret")
    assert secret_of(tmp_path / "secret") == first
    if not links:

        def refuse(*_):
            raise PermissionError

        monkeypatch.setattr(os, "link", refuse)
        assert len(secret_of(tmp_path / "other")) == 64


# For the owner's eyes


def test_what_is_written_is_for_the_owner_alone(tmp_path):
    before = os.umask(0o022)
    try:
        grade_folder(refused_class(tmp_path / "in"), tmp_path / "out")
        assert os.umask(0o022) == 0o022  # and whoever asked has the umask of before
    finally:
        os.umask(before)
    found = [tmp_path / "out", *(tmp_path / "out").rglob("*")]
    assert len(found) > 6
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in found} == {0}


# A sentence


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    place = refused_class(tmp_path / "in")
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file/deep", "/proc/nothing/here"):
        done = command(place, "--out", out, "--unsafe-no-sandbox")
        assert done.returncode == 1 and done.stderr.startswith("dlcourse: ") and done.stderr.count("\n") == 1


def table(out):
    with open(out / "grades.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_disk_that_is_full_is_a_sentence_and_loses_nothing(tmp_path):
    place, out = refused_class(tmp_path / "in"), tmp_path / "out"
    program = f'"{sys.executable}" -m dlcourse grade "{place}" --out "{out}" --notebook momentum'
    line = ["/bin/sh", "-c", f"ulimit -f 2; exec {program} --quiet --unsafe-no-sandbox"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "File too large" in done.stderr and "goes on from there" in done.stderr
    assert not (out / "grades.csv").exists()
    assert command(place, "--out", out, "--unsafe-no-sandbox").returncode == 0


@pytest.mark.parametrize("closed", ["stdout full", "stdout closed", "stdin closed", "all closed"])
def test_grades_are_there_whoever_can_read_the_words(closed, tmp_path):
    hand_in(tmp_path / "in", "ana", RIGHT)
    words = {"stdout full": "> /dev/full", "stdout closed": ">&-", "stdin closed": "<&-", "all closed": "<&- >&- 2>&-"}
    shell = f'"{sys.executable}" -m dlcourse grade "{tmp_path}/in" --out "{tmp_path}/out" --notebook momentum --jobs 1'
    more = "" if not sandboxed.args[0] else " --unsafe-no-sandbox"
    done = subprocess.run(
        ["/bin/sh", "-c", f"{shell}{more} {words[closed]}"], capture_output=True, text=True, timeout=120
    )
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    assert ("must find a screen" in done.stderr) == (closed == "stdout full")
    (row,) = table(tmp_path / "out")
    assert row["points"] == "2"


def test_names_of_every_script_in_a_world_of_ascii(tmp_path):
    for name in ("Zoë Ω", "李 雷", "ana"):
        (tmp_path / "in" / name).mkdir(parents=True)
    world = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = command(tmp_path / "in", "--out", tmp_path / "out Ü", "--unsafe-no-sandbox", env=world)
    assert done.returncode == 0, done.stderr
    rows = table(tmp_path / "out Ü")
    assert [row["student"] for row in rows] == ["Zoë Ω", "ana", "李 雷"]
    assert all((tmp_path / "out Ü/feedback" / row["page"]).exists() and row["page"].isascii() for row in rows)


def test_a_table_is_never_there_without_its_pages(tmp_path, monkeypatch):
    def page(summary, student):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(returns, "page", page)
    with pytest.raises(OSError, match="No space"):
        grade_folder(refused_class(tmp_path / "in"), tmp_path / "out")
    assert not (tmp_path / "out/grades.csv").exists()


@sandboxed
def test_names_of_files_are_cleaned_before_they_are_shown(tmp_path):
    import zipfile

    hand_in(tmp_path / "in", "ben", WRONG)
    with zipfile.ZipFile(tmp_path / "in/ana.zip", "w") as archive:
        for name in ("a\x1b[31m\u202egnp.ipynb", "b\x1b]0;x\x07.ipynb"):
            archive.write(hand_in(tmp_path / "work", "ana", RIGHT), name)
    grade_folder(tmp_path / "in", tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "out/feedback.zip") as pages:  # its pages are those in feedback/
        assert all(name.isascii() and name.isprintable() for name in pages.namelist())
    for path in (tmp_path / "out").rglob("*.*"):
        if path.is_file() and path.suffix != ".zip":
            assert not {"\x1b", "\u202e", "\x07"} & set(path.read_text(encoding="utf-8")), path
