"""Fixtures: every test starts and ends on NumPy; `cupy` is a device without a GPU; `oracle` holds known answers."""

import json
from pathlib import Path

import fake_cupy
import numpy as np
import pytest

import dlcourse as dl
from dlcourse.backend import why_no_gpu


def pytest_addoption(parser):
    parser.addoption("--every-control", action="store_true", help="browser: move every control of every lab, not one")
    parser.addoption("--walk", type=float, metavar="SECONDS", help="findings: for each lab, at other corners every day")


@pytest.fixture(autouse=True)
def numpy_backend(monkeypatch):
    monkeypatch.delenv("DLCOURSE_BACKEND", raising=False)
    dl.use("numpy")
    yield
    dl.use("numpy")


@pytest.fixture
def cupy(monkeypatch):
    """The stand-in for CuPy, installed but not yet in use."""
    yield fake_cupy.install(monkeypatch)
    dl.use("numpy")


@pytest.fixture(params=["stand-in", pytest.param("GPU", marks=pytest.mark.gpu)])
def device(request, monkeypatch):
    """The stand-in for CuPy, and CuPy itself where it finds a GPU."""
    if request.param == "stand-in":
        fake_cupy.install(monkeypatch)
    elif reason := why_no_gpu():
        pytest.skip(reason)
    yield
    dl.use("numpy")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def oracle():
    """What PyTorch computes, written down by oracles/make_torch.py."""
    return json.loads((Path(__file__).parent / "oracles" / "torch.json").read_text())


@pytest.fixture(scope="module")
def browser():
    """Chromium, for the tests of one file (they skip where there is none: see browser.needs_browser)."""
    from browser import CHROMIUM, FLAGS
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def clock(monkeypatch):
    """For the lab engine, time passes only when a test says so."""
    from toy_labs import Clock

    from dlcourse.labs import jobs, lab

    clock = Clock()
    monkeypatch.setattr(lab, "time", clock)
    monkeypatch.setattr(jobs, "time", clock)
    monkeypatch.setattr(jobs, "PLAY", 0.0)
    return clock
