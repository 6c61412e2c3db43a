"""The benchmarks still run, with no other library installed, and their reports can be read back."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def load_all():
    spec = importlib.util.spec_from_file_location("all_benchmarks", BENCHMARKS / "all.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("command", "title", "candidates"),
    [
        (["training.py", "a", "scikit-learn"], "(a) moons, momentum", {"dlcourse", "dlcourse, Numba", "scikit-learn"}),
        (["training.py", "c", "scikit-learn"], "(c) 10 × 100 tanh, statistics", {"dlcourse"}),
        (["training.py", "h", "scikit-learn"], "(h) 10 × 100 tanh, histograms", {"dlcourse"}),
        (["lanes.py", "2"], "2 learning rates of job (a)", {"lanes", "one after the other"}),
        (["surfaces.py"], "(e) 10 rules, 3 surfaces, 500 steps", {"dlcourse"}),
        (["sweeps.py", "4"], "4 learning rates of job (a)", {"one after the other", "2 processes, lanes"}),
    ],
)
def test_a_benchmark_reports_what_it_measured(command, title, candidates, tmp_path, monkeypatch):
    monkeypatch.setenv("DLCOURSE_CACHE", str(tmp_path))
    script, *arguments = command
    program = [sys.executable, str(BENCHMARKS / script), *arguments]
    text = subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True, cwd=tmp_path).stdout
    rows = load_all().tables(text)[title]
    assert candidates <= rows.keys()
    assert all(ms > 0 for ms, _ in rows.values())
    assert rows[min(candidates & {"dlcourse", "lanes", "one after the other"})][1] == 1


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["growth.py", "size=2"], r"Data: examples in all\n\n.*\n.*\n\| 100 \| [\d.]+ \| \d+ \| [\d.]+ \|\n\| 300 \|"),
        (["growth.py", "fits=10", "events=10"], r"\| 10 \| [\d.]+ \| [\d,]+ \|\n\nFrom the first look .*\n\n## Moves"),
        (["startup.py", "import=1"], r"`import dlcourse` \| 0\.\d+ \| \d\.\d+ \|"),
    ],
)
def test_a_benchmark_says_what_it_saw(command, sentence, tmp_path):
    script, *arguments = command
    program = [sys.executable, str(BENCHMARKS / script), *arguments]
    text = subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True, cwd=tmp_path).stdout
    assert re.search(sentence, text), text


def test_the_committed_results_can_be_drawn(tmp_path):
    module = load_all()
    for name in module.DRAWN:
        rows = module.tables((module.RESULTS / f"{name}.md").read_text())
        assert rows and all(set(module.OURS) & panel.keys() for panel in rows.values())
    module.draw(tmp_path / "peers.svg")
    assert (tmp_path / "peers.svg").stat().st_size > 10_000


def test_the_gpu_benchmark_computes_the_same_on_both_backends(cupy, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    gpu = importlib.import_module("gpu")
    job = gpu.job_a()
    job.epochs = 2
    monkeypatch.setattr(gpu, "job_a", lambda: job)
    for count in (1, 3):
        candidates = gpu.side_by_side(count)
        there, here = (candidates[name]() for name in (gpu.OURS, "dlcourse, NumPy"))
        assert there.shape == here.shape == (30, count) and abs(there - here).max() < 1e-5


def test_without_a_gpu_its_benchmark_says_why():
    done = subprocess.run([sys.executable, str(BENCHMARKS / "gpu.py")], capture_output=True, text=True)
    assert done.returncode == 1 and "CuPy" in done.stderr
