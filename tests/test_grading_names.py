"""Who is who: exports of every platform as they look, one scheme for a class, which of several files counts."""

import csv
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from classes import EXPORTS, POINTS, QUICK, RIGHT, WRONG, export, hand_in, needs_sandbox, notebook, stub
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcourse.cli import PLATFORMS
from dlcourse.grading import feedback
from dlcourse.grading.batch import grade_class
from dlcourse.grading.names import unmistakable
from dlcourse.grading.platforms import SCHEMES
from dlcourse.grading.submissions import read, roll_in
from dlcourse.workspace import UserError

sandboxed = needs_sandbox()


def grade_folder(folder, out, **more):
    more = {"notebooks": ["momentum"], "limits": QUICK, **more}
    return grade_class(folder, out, lambda: ThreadPoolExecutor(2), **more)


def points(summary):
    return {name: sum(r.report.points for r in results.values()) for name, results in summary.results.items()}


def rows(out):
    with open(out / "grades.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def put(place, **files):
    place.mkdir(exist_ok=True)
    for name, content in files.items():
        (place / name).write_bytes(content)


# Platforms


@sandboxed
@pytest.mark.parametrize("platform", EXPORTS)
def test_what_a_platform_exports_is_graded_under_the_names_it_gives(platform, tmp_path):
    _, students, leftovers = EXPORTS[platform]
    summary = grade_folder(export(tmp_path / "in", platform), tmp_path / "out")
    assert summary.roll.scheme == platform
    assert points(summary) == students
    assert summary.roll.leftovers == leftovers
    table = rows(tmp_path / "out")
    assert [row["remarks"] for row in table if not row["student"]] == [f"taken for nobody's: {x}" for x in leftovers]
    assert all(any(name in note for note in summary.notes) for name in leftovers)


@pytest.mark.parametrize("platform", EXPORTS)
@pytest.mark.parametrize("around", ["", "export 2026/"])
def test_a_zip_and_a_folder_around_change_nothing(platform, around, tmp_path):
    folder = export(tmp_path / "in" / around, platform)
    files = {
        f"{around}{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    for place in (tmp_path / "in", tmp_path / "in.zip"):
        roll = roll_in(place)
        assert (roll.scheme, roll.students.keys(), roll.leftovers) == (platform, *EXPORTS[platform][1:]) or (
            roll.students.keys() == EXPORTS[platform][1].keys() and roll.leftovers == EXPORTS[platform][2]
        )
        assert {s.student for s in read(place) if s.files} == {s.student for s in read(folder) if s.files}


def test_the_command_line_knows_every_scheme():
    assert set(PLATFORMS) == SCHEMES.keys()


NOT_CANVAS = {
    "one assignment, one year": ["lab_3_2024_ana", "lab_3_2024_ben", "lab_3_2024_eve"],
    "one assignment, a number for each": ["hw_2_1001_momentum", "hw_2_1002_momentum", "hw_2_1003_momentum"],
    "a group and a year": ["group1_2024_1_m", "group1_2024_2_m", "group2_2024_3_m"],
    "the same file twice": ["lopezana_1_10_m", "lopezana_1_11_m", "ben_2_12_m"],
    "somebody with another name": ["lopezana_1_10_m", "ben_2_12_m", "eve"],
}


@pytest.mark.parametrize("kind", NOT_CANVAS)
def test_names_that_only_look_like_canvas_stay_whole(kind, tmp_path):
    names = NOT_CANVAS[kind]
    put(tmp_path / "in", **{f"{name}.ipynb": b"{}" for name in names})
    roll = roll_in(tmp_path / "in")
    assert (roll.scheme, set(roll.students)) == ("plain", set(names))
    forced = roll_in(tmp_path / "in", "moodle")
    assert set(forced.students) == set(names) and len(forced.odd) == len(names)


def test_a_scheme_can_be_given(tmp_path):
    put(tmp_path / "in", **{f"{name}.ipynb": b"{}" for name in ("lopezana_1_10_m", "leiben_2_11_m")})
    assert set(roll_in(tmp_path / "in").students) == {"lopezana_1", "leiben_2"}
    assert set(roll_in(tmp_path / "in", "plain").students) == {"lopezana_1_10_m", "leiben_2_11_m"}


def test_somebody_that_the_scheme_does_not_fit_is_a_student_and_is_named(tmp_path):
    for name in ("Ana_1_assignsubmission_file_", "Ben_2_assignsubmission_file_", "by mail, eve"):
        hand_in(tmp_path / "in", name, RIGHT)
    roll = roll_in(tmp_path / "in")
    assert set(roll.students) == {"Ana_1", "Ben_2", "by mail, eve"} and roll.odd == ["by mail, eve"]


def test_two_assignments_are_not_two_students(tmp_path):
    for name in ("Übung 1/Abgaben/Ana", "Übung 1/Abgaben/Ben", "Übung 2/Abgaben/Ana"):
        hand_in(tmp_path / "in", name, RIGHT)
    with pytest.raises(UserError, match=r"must be those of one assignment; got 2\. Give one of them, Übung"):
        roll_in(tmp_path / "in")


def test_a_class_of_one_stays_one(tmp_path):
    for n, name in enumerate(["ana/submissions/m.ipynb", "Ana_1_assignsubmission_file_/a.ipynb",
                              "123-4 - Ana - Oct 1, 2026 905 AM/b.ipynb"]):  # fmt: skip
        hand_in(tmp_path / str(n), name.rpartition("/")[0], RIGHT, name="a.ipynb")
        hand_in(tmp_path / str(n), name.rpartition("/")[0], RIGHT, name="b.ipynb")
        assert len(roll_in(tmp_path / str(n)).students) == 1


def test_metadata_that_cannot_be_read_are_said_to_be(tmp_path):
    hand_in(tmp_path / "in", "submission_1", RIGHT)
    for text in ("[", "- 1", "submission_1: {}", "submission_1:\n  :submitters: []"):
        (tmp_path / "in/submission_metadata.yml").write_text(text)
        with pytest.raises(UserError, match="must say who handed in what"):
            roll_in(tmp_path / "in")


# Students that are put together, or must not be


@sandboxed
def test_things_of_one_student_are_put_together_and_that_is_said(tmp_path):
    put(tmp_path / "in", **{"ana.ipynb": notebook(WRONG), "ben.ipynb": notebook(RIGHT)})
    with zipfile.ZipFile(tmp_path / "in/ana.zip", "w") as archive:
        archive.writestr("ana.ipynb", notebook(RIGHT))
    summary = grade_folder(tmp_path / "in", tmp_path / "out")
    assert points(summary) == {"ana": 2, "ben": 2}
    assert "Taken together as one student's, ana: ana.ipynb, ana.zip." in summary.notes
    remark = rows(tmp_path / "out")[0]["remarks"]
    assert "handed in as ana.ipynb, ana.zip" in remark
    assert "ana.zip/ana.ipynb counts, the last of them, not ana.ipynb" in remark


@given(st.lists(st.text(st.characters(codec="utf-8") | st.sampled_from("'=;,+ \t\u202e\x1b"), min_size=1, max_size=6),
                min_size=2, unique=True))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_two_names_never_become_one_in_a_table(names):
    shown = unmistakable(names)
    assert len({feedback.cell(shown[name]) for name in names}) == len(names)
    assert len({feedback.page_name(shown[name]).lower() for name in names}) == len(names)


def test_a_name_that_is_made_to_look_like_another_does_not_become_it():
    (made,) = unmistakable(["ana\x02"]).values()
    shown = unmistakable(["ana\x02", made, "ana;b", "ana,b", "=x", "'=x", "ana?"])
    assert len(set(shown.values())) == len(shown)
    assert shown[made] == made  # who has it keeps it


# Which file counts


def student_of(tmp_path, **files):
    for name, content in files.items():
        path = tmp_path / "in/ana" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    hand_in(tmp_path / "in", "ben", WRONG)
    summary = grade_folder(tmp_path / "in", tmp_path / "out")
    return points(summary)["ana"], rows(tmp_path / "out")[0]["remarks"], summary


@sandboxed
def test_a_stub_beside_an_answer_takes_nothing_from_it(tmp_path):
    got, remark, summary = student_of(
        tmp_path, **{"momentum.ipynb": notebook(RIGHT), "momentum.new-0.2.0.ipynb": stub()}
    )
    assert got == 2
    assert (
        "ana/momentum.ipynb counts, the last in which something is written, not ana/momentum.new-0.2.0.ipynb" in remark
    )
    assert "momentum.ipynb counts" in summary.results["ana"]["momentum_step"].report.note


@sandboxed
def test_answers_may_be_spread_over_versions(tmp_path):
    later = notebook("def momentum_step(*a):\n    raise NotImplementedError", "def nesterov_step(*a): return 1")
    got, _, summary = student_of(tmp_path, **{"a.ipynb": notebook(RIGHT), "b.ipynb": later})
    assert got == 2 and summary.results["ana"]["nesterov_step"].report.begun


@sandboxed
def test_the_last_answer_counts_though_an_earlier_one_was_right(tmp_path):
    got, remark, _ = student_of(tmp_path, **{"a.ipynb": notebook(RIGHT), "b.ipynb": notebook(WRONG)})
    assert got == 0 and "ana/b.ipynb counts, the last of them, not ana/a.ipynb" in remark


@sandboxed
def test_a_file_that_cannot_be_read_is_named_beside_one_that_can(tmp_path):
    got, remark, summary = student_of(tmp_path, **{"a.ipynb": notebook(RIGHT), "b.ipynb": b"{"})
    assert got == 2 and remark == "cannot be read as a notebook: ana/b.ipynb" and summary.unread() == []


@sandboxed
@pytest.mark.parametrize("content", [b"", b"no", b"{}", b'{"cells": 1}'])
def test_a_notebook_that_cannot_be_read_has_a_remark_and_is_counted(content, tmp_path):
    got, remark, summary = student_of(tmp_path, **{"a.ipynb": content})
    assert got == 0 and "The file" in remark and summary.unread() == ["ana"]


@sandboxed
def test_markdown_changes_nothing_for_anybody(tmp_path):
    hand_in(tmp_path / "in", "ana", RIGHT)
    words = {"cell_type": "markdown", "metadata": {}, "source": "`def adam_step():` and\nadam_step = 1"}
    text = notebook(RIGHT).replace(b'"cells": [', b'"cells": [' + str(words).replace("'", '"').encode() + b", ")
    hand_in(tmp_path / "in", "eve", RIGHT).write_bytes(text)
    summary = grade_folder(tmp_path / "in", tmp_path / "out", notebooks=())
    assert {row["out of"] for row in rows(tmp_path / "out")} == {str(POINTS)} and summary.unread() == []


def test_nobodys_notebook_is_named_in_words(tmp_path):
    hand_in(tmp_path / "in", "ana", RIGHT, name="work.pdf")
    (submission,) = read(tmp_path / "in")
    assert submission.problem == "There is no notebook (.ipynb) in it, only ana/work.pdf."


def test_many_parts_are_not_read_outside_the_sandbox(monkeypatch):
    from dlcourse.grading import choice

    assert choice.code_in(b'{"cells": [' + b"[]," * 200_000 + b"[]]}") is None
    assert "momentum_step" in choice.code_in(notebook(RIGHT))
