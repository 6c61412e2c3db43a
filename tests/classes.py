"""Classes to grade: notebooks made of cells, honest and hostile students, and what is left of them afterwards."""

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import tomllib
from functools import cache
from pathlib import Path

import pytest

from dlcourse.checks import exercises
from dlcourse.grading.names import unmistakable, without_ending
from dlcourse.grading.sandbox import Limits, Sandbox, why_not

ROOT = Path(__file__).parent.parent
MOMENTUM = [entry for entry in exercises().values() if entry.notebook == "momentum"]
POINTS = sum(entry.points for entry in MOMENTUM)
CORPUS = tomllib.loads((Path(__file__).parent / "attacks" / "code.toml").read_text())
ATTACKS = {attack["name"].replace("/", "∕"): attack for attack in CORPUS["attack"]}
FLOODS = [name for name in ATTACKS if name.startswith(("output", "answer", "error message", "more answers"))]
QUICK = Limits(seconds=1.0, cells=1.5, total=8.0, grace=0.3)
RIGHT = """
def momentum_step(theta, velocity, grad, learning_rate, momentum):
    velocity = momentum * velocity - learning_rate * grad
    return theta + velocity, velocity
"""
WRONG = CORPUS["help"]["wrong"]
# What platforms export, as it really looks: files, the students in it with their points, and what is nobody's. A
# file's content is a letter: a for the right answer, b for a wrong one, - for what is no notebook; or it is a text.
METADATA = """---
submission_300001:
  :submitters:
  - :name: Ana López
    :sid: '12345'
    :email: ana@example.org
  :created_at: 2026-11-03 22:45:10.517000000 Z
  :score: 0.0
  :history: []
submission_300002:
  :submitters:
  - :name: Ben Xu
    :email: ben@example.org
  - :name: Eve Li
    :sid: '12347'
  :score: !ruby/object:BigDecimal 18:0.0
"""
EXPORTS = {
    "moodle": (
        {
            "Ana María López_12345_assignsubmission_file_/my work (1).ipynb": "a",
            "李 雷_777_assignsubmission_file_/m.ipynb": "b",
            "Ana María López_99_assignsubmission_file_/m.ipynb": "b",
            "O'Neil_Zoë_31_assignsubmission_file/Momentum.ipynb": "a",
            "Eve_32_assignsubmission_onlinetext_/onlinetext.html": "-",
        },
        {"Ana María López_12345": 2, "李 雷_777": 0, "Ana María López_99": 0, "O'Neil_Zoë_31": 2, "Eve_32": 0},
        [],
    ),
    "canvas": (
        {
            "lopezana_4711_1234_momentum.ipynb": "a",
            "lopezana_4711_1235_adam.ipynb": "-",
            "leibob_LATE_4712_1236_momentum.ipynb": "a",
            "leibob_4799_1237_momentum-1.ipynb": "b",
            "oneilzo_4800_1238_report.pdf": "-",
        },
        {"lopezana_4711": 2, "leibob_4712": 2, "leibob_4799": 0, "oneilzo_4800": 0},
        [],
    ),
    "gradescope": (
        {
            "assignment_77_export/submission_metadata.yml": METADATA,
            "assignment_77_export/submission_300001/momentum.ipynb": "a",
            "assignment_77_export/submission_300002/momentum.ipynb": "b",
        },
        {"Ana López_12345": 2, "Ben Xu & Eve Li_ben@example.org": 0},
        ["submission_metadata.yml"],
    ),
    "brightspace": (
        {
            "index.html": "-",
            "12345-67890 - Ana López - Sep 12, 2026 1045 PM/momentum.ipynb": "b",
            "12345-67890 - Ana López - Oct 1, 2026 905 AM/momentum.ipynb": "a",
            "12346-67890 - Ben O'Neil-Xu - Nov 3, 2026 1001 AM/momentum.ipynb": "b",
        },
        {"Ana López_12345": 2, "Ben O'Neil-Xu_12346": 0},
        ["index.html"],
    ),
    "blackboard": (
        {
            "Exercise_1_alopez_attempt_2026-11-03-22-45-10_momentum.ipynb": "a",
            "Exercise_1_alopez_attempt_2026-11-03-22-45-10.txt": "-",
            "Exercise_1_alopez_attempt_2026-11-02-10-00-00_momentum.ipynb": "b",
            "Exercise_1_alopez_attempt_2026-11-02-10-00-00.txt": "-",
            "Exercise_1_bxu2_attempt_2026-11-01-09-12-33_my_work.ipynb": "b",
            "Exercise_1_bxu2_attempt_2026-11-01-09-12-33.txt": "-",
        },
        {"alopez": 2, "bxu2": 0},
        [],
    ),
    "sakai": (
        {
            "Exercise 1/grades.csv": "-",
            "Exercise 1/López, Ana(alopez)/Submission attachment(s)/momentum.ipynb": "a",
            "Exercise 1/López, Ana(alopez)/Feedback Attachment(s)/momentum.ipynb": "b",
            "Exercise 1/López, Ana(alopez)/timestamp.txt": "-",
            "Exercise 1/López, Ana(alopez)/López, Ana_submissionText.html": "-",
            "Exercise 1/Xu, Ben(bxu)/Submission attachment(s)/m.ipynb": "b",
            "Exercise 1/Xu, Ben(bxu)/comments.txt": "-",
        },
        {"López, Ana(alopez)": 2, "Xu, Ben(bxu)": 0},
        ["grades.csv"],
    ),
    "ilias": (
        {
            "Übung 1/status.xlsx": "-",
            "Übung 1/Abgaben/López_Ana_alopez_6123/20261103224510_momentum.ipynb": "a",
            "Übung 1/Abgaben/Xu_Ben_bxu_6124/momentum.ipynb": "b",
            "Übung 1/Abgaben/Team 12/Li_Eve_eli_6125/momentum.ipynb": "a",
        },
        {"López_Ana_alopez_6123": 2, "Xu_Ben_bxu_6124": 0, "Team 12": 2},
        ["status.xlsx"],
    ),
    "github": (
        {
            "momentum-submissions/momentum-ana-lopez/momentum.ipynb": "a",
            "momentum-submissions/momentum-ana-lopez/.git/config": "-",
            "momentum-submissions/momentum-ana-lopez/README.md": "-",
            "momentum-submissions/momentum-ben/momentum.ipynb": "b",
            "momentum-submissions/momentum-ben/.git/config": "-",
        },
        {"ana-lopez": 2, "ben": 0},
        [],
    ),
    "plain": (
        {
            "lab_3_2024_ana.ipynb": "a",
            "lab_3_2024_ben.ipynb.txt": "b",
            "lab_3_2024_eve.zip": "-",
            "lab_3_2024_zoë/momentum (1).ipynb": "a",
            "notes.pdf": "-",
        },
        {"lab_3_2024_ana": 2, "lab_3_2024_ben": 0, "lab_3_2024_eve": 0, "lab_3_2024_zoë": 2},
        ["notes.pdf"],
    ),
}
problem = why_not(Sandbox())


def needs_sandbox():
    """A mark for a file's tests: CI must have a sandbox, elsewhere they skip and say why."""
    if problem and os.environ.get("CI"):
        pytest.fail(f"CI must test the sandbox: {problem}", pytrace=False)
    return pytest.mark.skipif(bool(problem), reason=problem)


def notebook(*sources):
    cells = [
        {"cell_type": "code", "metadata": {}, "source": s, "outputs": [], "execution_count": None} for s in sources
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def code_of(attack):
    lines = attack["code"].replace('"FOUND', '"FO" "UND')  # a report shows the line, which must not look like a find
    for word, text in (("HELP", CORPUS["help"]["code"]), ("WRONG", WRONG)):
        lines = lines.replace(f"    {word}", word).replace(word, text)
    return lines.strip()


def shown(name):
    """A student of this name, as tables and pages have it."""
    name = without_ending(name)
    return unmistakable([name])[name]


def hand_in(folder, student, *sources, name="momentum.ipynb"):
    path = folder / student / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(notebook(*sources))
    return path


def peak_of_grading(folder, out):
    """Megabytes of a process that grades a folder all by itself; what the sandboxed workers take is not in it."""
    program = """if True:
        import resource, sys
        from concurrent.futures import ThreadPoolExecutor
        from pathlib import Path
        from dlcourse.grading.batch import grade_class
        from dlcourse.grading.sandbox import Limits
        places = map(Path, sys.argv[1:])
        grade_class(*places, lambda: ThreadPoolExecutor(2), notebooks=["momentum"], limits=Limits(seconds=1.0))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
    """
    done = subprocess.run([sys.executable, "-c", program, folder, out], check=True, capture_output=True, text=True)
    return float(done.stdout)


def workers():
    """The processes on this machine that run a worker, or under an id that only workers have, and go on doing so."""
    return [pid for pid in started_workers() if not ends(pid)]


def ends(pid, within=3000):
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    ended = bool(poll.poll(within))
    os.close(descriptor)
    return ended


def started_workers():
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            if folder.stat().st_uid >= 1_700_000_000 or b"/grading/dlcourse/grading/worker.py" in command:
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def stub(name="momentum"):
    return (ROOT / f"exercises/{name}/{name}.ipynb").read_bytes()


def export(place, platform, zipped=False):
    """One of EXPORTS, as a folder or as a zip."""
    import zipfile

    def content(text):
        return {"a": notebook(RIGHT), "b": notebook(WRONG), "-": b"-"}.get(text, text.encode())

    files = {name: content(text) for name, text in EXPORTS[platform][0].items()}
    if zipped:
        with zipfile.ZipFile(place, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return place
    for name, data in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    return place


# As an ordinary user

USER = 54_321  # nobody has it


@cache
def ordinary():
    """The words before a program's name that make it an ordinary user's; None where the tests are no root's."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        return None
    places = [str(ROOT), str(ROOT / "tests"), *(path for path in sys.path if path.endswith("site-packages"))]
    words = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "env", "-i", "PATH=/usr/bin:/bin"]
    words += ["HOME=/nowhere", "PYTHONDONTWRITEBYTECODE=1", "LANG=C.UTF-8", f"PYTHONPATH={os.pathsep.join(places)}"]
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        program = [*words, python, "-c", "import numpy, dlcourse.grading.batch"]
        if not subprocess.run(program, cwd="/", capture_output=True).returncode:
            return [*words, python]
    return None


@contextlib.contextmanager
def shared_folder():
    """One in which both may write, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        yield Path(folder)


GRADE = """if True:
    import sys
    from functools import partial
    from pathlib import Path
    from classes import QUICK
    from dlcourse.grading import executors
    from dlcourse.grading.batch import grade_class
    if __name__ == "__main__":
        places = map(Path, sys.argv[1:])
        grade_class(*places, partial(executors.processes, 2), notebooks=["momentum"], limits=QUICK)
"""


def grade_as_user(folder, out):
    """The whole class by an ordinary user; what came out may then be read by anybody who is root."""
    program = out.parent / "grade.py"
    program.write_text(GRADE)
    done = subprocess.run([*ordinary(), program, folder, out], cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
