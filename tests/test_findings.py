"""One walk through all labs: the finding at ends, middles and random corners of all controls keeps what it promises.

pytest tests/test_findings.py                   a second or two for each lab, always the same corners
pytest tests/test_findings.py --walk 60         sixty for each, other corners every day

What a lab's own words promise (arrived, learned, diverged …) is tested beside the lab, in test_labs_*.py.
"""

import datetime
import itertools
import re
import time

import numpy as np
import pytest
from toy_labs import chapter_labs

from dlcourse.labs.words import typeset

SECONDS = 1.5
NUMBER = r"\d+(?:\.\d+)?(?:e[−+]?\d+)?"


@pytest.fixture
def budget(request):
    """Seconds for each lab, and the seed of its corners."""
    seconds = request.config.getoption("--walk")
    return (seconds, datetime.date.today().toordinal()) if seconds else (SECONDS, 0)


def stands(lab, rng):
    """Settings to try: as it starts, every control at each end and each choice, all low, all high, then at random."""
    places = {name: control.positions() for name, control in lab.controls.items()}
    start = lab.settings()
    yield start
    for name, values in places.items():
        for value in (values[0], values[len(values) // 2], values[-1]):
            yield start | {name: value}
    for end in (0, -1):
        yield {name: values[end] for name, values in places.items()}
    while True:
        yield {name: values[rng.integers(len(values))] for name, values in places.items()}


def promises(finding):
    """What every finding keeps to; yields what it does not."""
    if not re.match(r"[A-Z0-9μηλκ√“]|p =", finding) or not finding.endswith("."):
        yield "is no sentence"
    if re.search(r"\b(nan|NaN|inf|None)\b", finding):
        yield "shows what no reader knows"
    if re.search(r"(?<![\w)\]])-\d|\de-\d", finding):
        yield "has a hyphen for a minus sign"
    if re.search(rf"\b({NUMBER})\b[^.;,]*\b(?:instead of|rather than)\s+\1\b", finding):
        yield "compares a number with itself"
    if re.search(r"\d\.\d{7,}", finding):
        yield "has more digits than anyone reads"
    if re.search(r"(?<![.,])\b1 (steps|epochs|units|examples|times|starts|passes)\b", finding):
        yield "counts one as many"
    if "  " in finding or " ." in finding or ".." in finding.replace("…", ""):
        yield "is not set as a sentence"


@pytest.mark.parametrize("make", list(chapter_labs()))
def test_findings_keep_their_promises(make, budget):
    seconds, seed = budget
    lab, broken, tried = make(), [], 0
    started = time.process_time()
    for settings in itertools.islice(stands(lab, np.random.default_rng(seed)), 4000):
        *_, state = lab.states(settings)
        finding = lab.finding(state, settings)
        broken += [f"{settings}: {finding!r} {what}" for what in promises(finding)]
        tried += 1
        if time.process_time() - started > seconds:
            break
    assert not broken, f"{len(broken)} of {tried}:\n" + "\n".join(broken[:10])


@pytest.mark.parametrize(
    "finding",
    [
        "loss 0.1.",
        "The loss is nan.",
        "It ends at -0.5.",
        "At 1e-05 it rests",
        "0.2 instead of 0.2.",
        "It took 1 steps.",
    ],
)
def test_a_broken_promise_is_seen(finding):
    assert list(promises(finding))


@pytest.mark.parametrize(
    ("words", "set_as"),
    [
        ("tanh, 3 layers; p = 0.5.", "Tanh, 3 layers; p = 0.5."),
        ("p = 0.5.", "p = 0.5."),
        ("λ = 1e-09, 7 of 64.", "λ = 10⁻⁹, 7 of 64."),
        ("3.16e-05 and 2e+04", "3.16·10⁻⁵ and 2·10⁴"),
        ("-0.5 to -.25 (-3)", "−0.5 to −.25 (−3)"),
        ("8-bit, 1e-10, mnist1d-0, x-1, 2024-11-02", "8-bit, 10⁻¹⁰, mnist1d-0, x-1, 2024-11-02"),
    ],
)
def test_numbers_are_set_as_in_a_book(words, set_as):
    assert typeset(words) == set_as
