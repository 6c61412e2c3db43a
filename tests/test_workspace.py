"""The learner's folder: whatever happens, what the learner wrote stays."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcourse import workspace
from dlcourse.workspace import MANIFEST, START_PAGE, UserError, shipped_files, update

CHAPTER = "notebooks/01_chapter.ipynb"


def ship(root: Path, **chapters: str) -> Path:
    """A course whose start page never changes and whose chapters do."""
    for name, text in {"00_start": "start", **chapters}.items():
        path = root / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def contents(folder: Path) -> dict[str, str]:
    """Everything in a folder but the manifest, so that a stray temporary file would show."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


@pytest.fixture
def course(tmp_path):
    return ship(tmp_path / "course", **{"01_chapter": "v1"})


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "mine"


def test_update_copies_everything_into_a_new_folder(course, folder):
    done = update(folder, course)
    assert done.added == [START_PAGE, CHAPTER]
    assert contents(folder) == {START_PAGE: "start", CHAPTER: "v1"}


def test_update_keeps_the_exercises_beside_the_notebooks(course, folder):
    exercise = "exercises/momentum_step/momentum_step.ipynb"
    (course / exercise).parent.mkdir(parents=True)
    (course / exercise).write_text("stub")
    update(folder, course)
    assert contents(folder)[exercise] == "stub"


def test_learners_get_notebooks_without_outputs(folder):
    """They would answer the guesses; the course's own files keep them, for pages without a kernel."""
    update(folder)
    for name, source in shipped_files().items():
        shipped, copy = (json.loads(path.read_text()) for path in (source, folder / name))
        for ours, theirs in zip(shipped["cells"], copy["cells"], strict=True):
            assert theirs.get("outputs", []) == [] and theirs.get("execution_count") is None
            assert {k: v for k, v in ours.items() if k not in ("outputs", "execution_count")} == {
                k: v for k, v in theirs.items() if k not in ("outputs", "execution_count")
            }
    assert update(folder).kept == []


def test_copies_with_outputs_of_an_earlier_version_are_replaced_if_untouched(course, folder):
    cell = {"cell_type": "code", "source": "1 + 1", "metadata": {}, "outputs": ["2"], "execution_count": 1}
    ship(course, **{"01_chapter": json.dumps({"cells": [cell]})})
    old = (course / CHAPTER).read_bytes()
    (folder / "notebooks").mkdir(parents=True)
    (folder / CHAPTER).write_bytes(old)
    record = workspace.Manifest(folder / MANIFEST)
    record.record(CHAPTER, workspace._digest(old))
    record.save()
    assert update(folder, course).replaced == [CHAPTER]
    assert json.loads((folder / CHAPTER).read_text())["cells"][0]["outputs"] == []


def test_shipped_files_leave_out_debris_and_solutions(course):
    for debris in (".ipynb_checkpoints/x.ipynb", "__pycache__/x.pyc", ".DS_Store"):
        (course / "notebooks" / debris).parent.mkdir(exist_ok=True)
        (course / "notebooks" / debris).write_text("debris")
    (course / "solutions").mkdir()
    (course / "solutions" / "x.ipynb").write_text("secret")
    assert list(shipped_files(course)) == [START_PAGE, CHAPTER]


# What the learner did (None: deleted the file), what is shipped next, what lies in the folder then.
BESIDE = "notebooks/01_chapter.new-2.ipynb"
UPGRADES = {
    "untouched, unchanged": ("v1", "v1", {CHAPTER: "v1"}),
    "untouched, new version": ("v1", "v2", {CHAPTER: "v2"}),
    "edited, unchanged": ("mine", "v1", {CHAPTER: "mine"}),
    "edited, new version": ("mine", "v2", {CHAPTER: "mine", BESIDE: "v2"}),
    "edited into the new version": ("v2", "v2", {CHAPTER: "v2"}),
    "deleted, unchanged": (None, "v1", {CHAPTER: "v1"}),
    "deleted, new version": (None, "v2", {CHAPTER: "v2"}),
}


@pytest.mark.parametrize(("present", "shipped", "expected"), UPGRADES.values(), ids=UPGRADES)
def test_upgrade_replaces_only_what_is_untouched(course, folder, present, shipped, expected):
    update(folder, course, "1")
    if present is None:
        (folder / CHAPTER).unlink()
    else:
        (folder / CHAPTER).write_text(present)
    ship(course, **{"01_chapter": shipped})
    update(folder, course, "2")
    assert contents(folder) == {START_PAGE: "start", **expected}
    update(folder, course, "2")  # and says it once: a second run changes nothing
    assert contents(folder) == {START_PAGE: "start", **expected}


def upgrade_an_edited_chapter(course: Path, folder: Path) -> None:
    update(folder, course, "1")
    (folder / CHAPTER).write_text("mine")
    update(folder, ship(course, **{"01_chapter": "v2"}), "2")


def test_new_version_beside_an_edited_notebook_is_not_restored_once_deleted(course, folder):
    upgrade_an_edited_chapter(course, folder)
    (folder / BESIDE).unlink()
    update(folder, course, "2")
    assert BESIDE not in contents(folder)


def test_new_version_never_overwrites_an_earlier_one_the_learner_edited(course, folder):
    upgrade_an_edited_chapter(course, folder)
    (folder / BESIDE).write_text("mine too")
    done = update(folder, ship(course, **{"01_chapter": "v2, corrected"}), "2")
    second = BESIDE.replace("new-2", "new-2-2")
    assert done.offered == {CHAPTER: second}
    assert contents(folder) == {START_PAGE: "start", CHAPTER: "mine", BESIDE: "mine too", second: "v2, corrected"}


def test_new_version_replaces_an_earlier_one_the_learner_left_alone(course, folder):
    upgrade_an_edited_chapter(course, folder)
    update(folder, ship(course, **{"01_chapter": "v2, corrected"}), "2")
    assert contents(folder) == {START_PAGE: "start", CHAPTER: "mine", BESIDE: "v2, corrected"}


def test_undoing_an_edit_makes_a_notebook_untouched_again(course, folder):
    upgrade_an_edited_chapter(course, folder)
    (folder / CHAPTER).write_text("v1")
    assert update(folder, course, "2").replaced == [CHAPTER]
    assert contents(folder)[CHAPTER] == "v2"


def test_files_that_are_not_the_courses_are_left_alone(course, folder):
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    update(folder, course)
    assert contents(folder)["notes.txt"] == "mine"


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"files": []}', '{"files": {"a": 1}}', "\udcff"])
def test_corrupt_manifest_makes_every_changed_file_the_learners(course, folder, damage):
    update(folder, course, "1")
    (folder / MANIFEST).write_bytes(damage.encode(errors="surrogateescape"))
    done = update(folder, ship(course, **{"01_chapter": "v2"}), "2")
    assert done.lost_record
    assert "unreadable" in str(done)
    assert contents(folder) == {START_PAGE: "start", CHAPTER: "v1", BESIDE: "v2"}
    assert not update(folder, course, "2").lost_record


@pytest.mark.parametrize("writes", range(5))
def test_full_disk_in_the_middle_loses_nothing(course, folder, monkeypatch, writes):
    """The n-th write fails, and all after it; the next run finishes the work."""
    update(folder, course, "1")
    (folder / START_PAGE).write_text("mine")
    ship(course, **{"00_start": "start 2", "01_chapter": "v2", "02_chapter": "new"})
    before = contents(folder)
    replace, left = os.replace, iter(range(writes))

    def replace_a_few(source, target):
        if next(left, None) is None:
            raise OSError(28, "No space left on device")
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace_a_few)
        if writes < 4:
            with pytest.raises(UserError, match="No space left"):
                update(folder, course, "2")
        else:
            update(folder, course, "2")
    assert contents(folder).keys() >= before.keys()
    assert set(contents(folder).values()) <= {"start 2", "mine", "v1", "v2", "new"}  # nothing half-written
    update(folder, course, "2")
    assert contents(folder) == {
        START_PAGE: "mine",
        "notebooks/00_start.new-2.ipynb": "start 2",
        CHAPTER: "v2",
        "notebooks/02_chapter.ipynb": "new",
    }


def test_power_cut_in_the_middle_is_finished_by_the_next_run(course, folder):
    """Between two files, without so much as a `finally`."""
    dies = (
        "import os, sys; from pathlib import Path; from dlcourse import workspace\n"
        "write = workspace.write_whole\n"
        "workspace.write_whole = lambda path, content: (write(path, content), os._exit(9))\n"
        "workspace.update(Path(sys.argv[1]), Path(sys.argv[2]), '1')"
    )
    assert subprocess.run([sys.executable, "-c", dies, folder, course]).returncode == 9
    assert contents(folder) == {START_PAGE: "start"}
    assert update(folder, course, "1").added == [CHAPTER]
    update(folder, ship(course, **{"00_start": "start 2"}), "2")
    assert contents(folder) == {START_PAGE: "start 2", CHAPTER: "v1"}


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["ship", "edit", "delete", "undo"]), st.sampled_from(["a", "b"])),
            st.sampled_from([("update", ""), ("corrupt", "")]),
        ),
        max_size=14,
    )
)
@settings(max_examples=60, deadline=None)
def test_no_history_ever_loses_a_line_of_the_learners(tmp_path_factory, history):
    base = tmp_path_factory.mktemp("history")
    course, folder = ship(base / "course", a="a0", b="b0"), base / "mine"
    update(folder, course, "0")
    delivered = {"a": "a0", "b": "b0"}
    for number, (action, chapter) in enumerate([*history, ("update", "")]):
        path = folder / "notebooks" / f"{chapter}.ipynb"
        if action == "ship":
            ship(course, **{chapter: f"{chapter}{number}"})
        elif action == "edit":
            path.write_text(f"mine {number}")
        elif action == "undo":
            path.write_text(delivered[chapter])
        elif action == "delete":
            path.unlink(missing_ok=True)
        elif action == "corrupt":
            (folder / MANIFEST).write_text("?")
        else:
            before = contents(folder)
            update(folder, course, str(number))
            after = contents(folder)
            mine = {name: text for name, text in before.items() if text.startswith("mine")}
            assert mine.items() <= after.items()
            assert after.keys() >= before.keys() | shipped_files(course).keys()
            assert json.loads((folder / MANIFEST).read_text())["files"].keys() >= shipped_files(course).keys()


@pytest.mark.parametrize("inside", ["", "notebooks", "notebooks/new", "exercises", "notebooks/.."])
def test_folder_must_lie_outside_the_courses_own_files(course, inside):
    with pytest.raises(UserError, match="outside the course's own files"):
        update(course / inside, course)
    assert contents(course) == {START_PAGE: "start", CHAPTER: "v1"}
    assert not list(course.rglob(MANIFEST))


def test_folder_whose_notebooks_lead_into_the_course_is_refused(course, folder):
    folder.mkdir()
    (folder / "notebooks").symlink_to(course / "notebooks")
    with pytest.raises(UserError, match="outside the course's own files"):
        update(folder, course)


def test_folder_inside_the_checkout_but_beside_its_files_is_fine(course):
    update(course / "dlcourse-work", course)
    assert (course / "dlcourse-work" / START_PAGE).exists()


def test_course_without_its_start_page_says_so(tmp_path, folder):
    with pytest.raises(UserError, match=f"must contain {re.escape(START_PAGE)}"):
        update(folder, tmp_path)
    assert not folder.exists()


def test_update_tells_what_it_did_in_a_few_lines(course, folder):
    assert "2 files copied" in str(update(folder, course, "1"))
    assert str(update(folder, course, "1")) == f"Your folder: {folder}"
    (folder / START_PAGE).write_text("mine")
    assert "1 file changed by you, kept" in str(update(folder, course, "1"))
    told = str(update(folder, ship(course, **{"00_start": "start 2", "01_chapter": "v2"}), "2"))
    assert "1 file replaced by a new version" in told
    assert f"{START_PAGE} changed by you, kept; the new version is notebooks/00_start.new-2.ipynb." in told


def test_the_checkout_has_its_notebooks_where_the_command_looks():
    assert START_PAGE in shipped_files(workspace.shipped_root())
