"""Classes to grade: notebooks made of cells, honest and hostile students, and what is left of them afterwards."""

import json
import os
import select
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from dlcourse.grading.sandbox import Limits, Sandbox, why_not

ROOT = Path(__file__).parent.parent
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
