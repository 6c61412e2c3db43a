"""Grading, measured: `python benchmarks/grading.py [speed | flood | class | user [N]]`; else speed and flood.

speed   submissions graded in a second on two cores, beside stock nbgrader on the same notebook, in turns
flood   memory of the grader while submissions flood it
class   N submissions (1,000), a tenth of them hostile; the grader is killed twice and stands still for 20 seconds, and
        one worker is killed from outside: is every grade right?
user    the same by an ordinary user; only root can become one
"""

import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import heading

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))
MASTER = ROOT / "solutions/momentum/momentum.ipynb"
OURS, STOCK = 150, 8  # submissions in a round


def command(place: Path, out: Path, *more: str) -> list[str]:
    words = ["grade", str(place), "--out", str(out), "--jobs", "2", "--quiet", "--notebook", "momentum", *more]
    return [sys.executable, "-m", "dlcourse", *words]


def nbgrader(folder: Path, *words: str) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "HOME": str(folder), "PYTHONWARNINGS": "ignore"}
    subprocess.run(
        [sys.executable, "-m", "nbgrader", *words], cwd=folder, env=environment, check=True, capture_output=True
    )


def speed(folder: Path) -> None:
    """Seconds of the whole command, its start among them; the notebook is the master of momentum."""
    ours, stock = folder / "ours", folder / "stock"
    for n in range(OURS):
        (ours / f"s{n}").mkdir(parents=True)
        shutil.copy(MASTER, ours / f"s{n}")
    shutil.copytree(MASTER.parent, stock / "source/momentum")
    nbgrader(stock, "generate_assignment", "momentum")
    for n in range(STOCK):
        (stock / f"submitted/s{n}/momentum").mkdir(parents=True)
        shutil.copy(MASTER, stock / f"submitted/s{n}/momentum")
    rates: dict[str, list[float]] = {"dlcourse": [], "nbgrader": []}
    for turn in range(3):
        start = time.perf_counter()
        subprocess.run(command(ours, folder / f"out{turn}"), check=True, capture_output=True)
        rates["dlcourse"].append(OURS / (time.perf_counter() - start))
        shutil.rmtree(stock / "autograded", ignore_errors=True)
        start = time.perf_counter()
        nbgrader(stock, "autograde", "momentum")
        rates["nbgrader"].append(STOCK / (time.perf_counter() - start))
    mine, theirs = (sorted(each)[1] for each in rates.values())
    print("\n## Submissions a second, two cores\n\n| | a second | ms each | times |\n| --- | --: | --: | --: |")
    print(f"| dlcourse grade --jobs 2, {OURS} submissions | {mine:.1f} | {1e3 / mine:.0f} | {mine / theirs:.0f} |")
    print(f"| nbgrader autograde, {STOCK} submissions | {theirs:.2f} | {1e3 / theirs:.0f} | 1 |")
    print(
        "\nMedians of three turns, the start of each command included; nbgrader works on one submission at a time and"
    )
    print("runs it in a kernel without a sandbox.")


def flood(folder: Path) -> None:
    from classes import ATTACKS, FLOODS, RIGHT, code_of, hand_in, peak_of_grading

    hand_in(folder / "calm", "honest", RIGHT)
    for name in FLOODS:
        hand_in(folder / "flooded", name, code_of(ATTACKS[name]))
    print("\n## Memory of the grader\n\n| handed in | peak, MB |\n| --- | --: |")
    print(f"| one honest notebook | {peak_of_grading(folder / 'calm', folder / 'out1'):.0f} |")
    peak = peak_of_grading(folder / "flooded", folder / "out2")
    print(f"| {len(FLOODS)} floods: of replies, prints, messages, two at a time | {peak:.0f} |")


def whole_class(folder: Path, size: int, user: bool = False) -> None:
    from classes import ATTACKS, MOMENTUM, RIGHT, WRONG, code_of, hand_in, ordinary

    names, expected = list(ATTACKS), {}
    for n in range(size):
        student = f"student {n:05}"
        if n % 10 == 3:
            attack = ATTACKS[names[n // 10 % len(names)]]
            hand_in(folder / "in", student, code_of(attack))
            expected[student] = attack.get("deserves", 0)
        else:
            hand_in(folder / "in", student, RIGHT if n % 4 else WRONG)
            expected[student] = 2 if n % 4 else 0
    os.chmod(folder, 0o777)
    out, happened, start = folder / "out", [], time.perf_counter()
    words = command(folder / "in", out, "--seconds", "1")
    if user:
        words = [*(ordinary() or sys.exit("Only root can become an ordinary user.")), *words[1:]]
    process = None
    for share, harm in ((1 / 5, stop), (2 / 5, kill_worker), (3 / 5, kill), (4 / 5, kill), (1.0, None)):
        if process is None or process.poll() is not None:
            process = subprocess.Popen(words, stdout=subprocess.DEVNULL, cwd="/", start_new_session=True)
        while process.poll() is None and (harm is None or graded(out) < share * size):
            time.sleep(0.1)
        if harm and process.poll() is None:
            happened.append(harm(process))
    with open(out / "grades.csv", newline="") as file:
        got = {row["student"]: float(row["points"] or "nan") for row in csv.DictReader(file)}
    wrong = sorted(student for student in expected if got.get(student) != expected[student])
    keys = [(each["student"], each["exercise"]) for each in journal(out)]
    print(f"\n## A class of {size}\n\n{size // 10} of them hostile, {len(names)} kinds of attack.")
    print(f"On the way: {', '.join(happened)}.")
    print(f"\n- grades that are not what was deserved: {len(wrong)} {wrong[:5]}")
    print(f"- results: {len(keys)}, each once: {len(keys) == len(set(keys)) == len(MOMENTUM) * size}")
    print(f"- {time.perf_counter() - start:.0f} s in all, three starts included")


def stop(process: "subprocess.Popen[bytes]") -> str:
    """Everything stands still, as when a laptop's lid is closed."""
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(20)
    os.killpg(process.pid, signal.SIGCONT)
    return "the grader stood still for 20 s"


def kill(process: "subprocess.Popen[bytes]") -> str:
    process.kill()
    process.wait()
    return "the grader was killed"


def kill_worker(process: "subprocess.Popen[bytes]") -> str:
    from classes import started_workers

    deadline = time.perf_counter() + 30
    while time.perf_counter() < deadline:
        for pid in started_workers()[-1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return "a worker was killed from outside"
    return "no worker was found to kill"


def graded(out: Path) -> int:
    from classes import MOMENTUM

    path = out / "journal.jsonl"
    return path.read_bytes().count(b"\n") // len(MOMENTUM) if path.exists() else 0


def journal(out: Path):
    for line in (out / "journal.jsonl").read_text().splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def main() -> None:
    heading("Grading", "nbgrader")
    size = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    parts = {"speed": speed, "flood": flood, "class": lambda folder: whole_class(folder, size)}
    parts["user"] = lambda folder: whole_class(folder, size, user=True)
    for part in sys.argv[1:2] or ["speed", "flood"]:
        with tempfile.TemporaryDirectory() as folder:
            parts[part](Path(folder))


if __name__ == "__main__":
    main()
