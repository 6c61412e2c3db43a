"""Nothing stays behind: not after many trainings, and not after many moves of a slider.

What is counted is exact where it can be: the objects that Python watches over, and the bytes that Python and NumPy
hold. benchmarks/growth.py looks at the memory of the whole process, over more of both.
"""

import asyncio
import gc
import tracemalloc

import numpy as np
import pytest

import dlcourse as dl
from dlcourse.labs import Lab, Slider
from dlcourse.plots import curve, panels

DATA = dl.datasets.moons(40, noise=0.2)
PARTS = 200  # how often a thing is done between two counts


@pytest.fixture
def held():
    """A function that tells how many objects there are, and how many bytes."""

    def count():
        gc.collect()
        return len(gc.get_objects()), tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    yield count
    tracemalloc.stop()


def train(learning_rate, momentum=0.9):
    network = dl.Network([dl.Dense(8), dl.ReLU(), dl.Dense(2)], (2,))
    optimizer = dl.Momentum(learning_rate, momentum)
    return dl.fit(network, dl.SoftmaxCrossEntropy(), optimizer, DATA, epochs=2, batch_size=10).loss


def draw(figure, losses):
    if not figure.axes:
        (ax,) = panels(figure)
        ax.set(xlim=(0, 10), ylim=(0, 2))
        figure.art.curve = curve(ax, "train")
    figure.art.curve.set_data(np.arange(len(losses)), losses)


def assert_nothing_stays(act, held, rounds=4):
    """Far less than one object, or one small array, for each time: what leaks grows in every round, caches in some."""
    counts = [held()]
    for _ in range(rounds):
        act(PARTS)
        counts.append(held())
    objects, held_bytes = (np.diff(column) for column in np.transpose(counts))
    assert objects.min() < PARTS / 4, f"objects more in each round: {objects}"
    assert held_bytes.min() < 100 * PARTS, f"bytes more in each round: {held_bytes}"


def test_trainings_leave_nothing_behind(held):
    def trained(times):
        for _ in range(times):
            train(0.1)

    trained(20)
    assert_nothing_stays(trained, held)


def test_sweeps_leave_nothing_behind(held):
    def swept(times):
        for _ in range(times // 10):
            dl.sweep(lambda learning_rate: train(learning_rate.item())[None], {"learning_rate": [0.1, 0.2]}, lanes=1)

    swept(20)
    assert_nothing_stays(swept, held)


def test_what_stays_behind_is_seen(held):
    kept = []
    with pytest.raises(AssertionError, match="bytes more in each round"):
        assert_nothing_stays(lambda times: kept.extend(np.zeros(30) for _ in range(times)), held)


def test_moves_of_a_slider_leave_no_more_behind_than_the_lab_may_keep(held):
    lab = Lab(
        train,
        draw,
        describe=lambda losses, _: f"It ends at {losses[-1]:.3f} nats.",
        figure_size=(3, 2),
        learning_rate=Slider(0.01, 0.5, 0.1, step=0.01),
        momentum=Slider(0.0, 0.9, 0.5, step=0.1),
    )
    rng = np.random.default_rng(0)

    async def moved(times):
        for number in range(times):
            name = "momentum" if number % 10 == 0 else "learning_rate"
            lab.widgets[name].value = float(rng.choice(lab.controls[name].positions()))
            while lab.shown[1].settings != lab.present():
                await asyncio.sleep(0)
            if number % 20 == 0:
                await asyncio.sleep(0.01)  # a little is trained ahead

    lab.show()
    with asyncio.Runner() as loop:
        loop.run(moved(40))
        assert lab.jobs.ready.taken > 0

        def move(times):
            loop.run(moved(times))
            lab.jobs.ready.clear()  # what it keeps has a budget, which test_labs.py watches

        assert_nothing_stays(move, held)
