"""The lab of 04_regularization on ensembles: many networks vote, or their weights are averaged into one."""

from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse.datasets import Dataset
from dlcourse.ensembles import snapshot
from dlcourse.labs.controls import Choice, Seed, Slider
from dlcourse.labs.lab import Lab
from dlcourse.labs.measure import share_right
from dlcourse.labs.regularization import scarce
from dlcourse.plots import curve, name_axes, panels, spread_labels

SOURCES = ["different starts", "snapshots", "moments of one run"]
TEST, LOW = 1000, -15  # new examples; points below one alone, the edge of the picture
EPOCHS = {"few digits": 100, "wrong digits": 50, "wavy lines": 20}  # of one network


def members(source: str, count: int, job: str, seed: int) -> tuple[list[Any], Dataset]:
    """So many networks, and the examples to try them on. All three ways train on the same examples.

    different starts     each trains as long as a single one: `count` times the work
    snapshots            a single run's epochs cut into `count` cycles, a copy at the end of each
    moments of one run   a single run at a constant rate, a copy after each of its last epochs
    """
    train, test = scarce.job(job, seed)
    loss, epochs, shape = dl.SoftmaxCrossEntropy(), EPOCHS[job], train.x.shape[1:]
    rule = dl.Momentum(0.1, 0.9)
    if source == "different starts":
        seeds = range(seed, seed + count)
        network = dl.Network(scarce.dense(), shape, seed=seeds, lanes=count)
        dl.fit(network, loss, rule, train, epochs=epochs, batch_size=25, seed=seed)
        return [network.lane(number) for number in range(count)], test
    network = dl.Network(scarce.dense(), shape, seed=seed)
    if source == "snapshots":
        more: Any = {"cycles": count, "epochs_per_cycle": max(1, epochs // count), "batch_size": 25, "seed": seed}
        return dl.snapshot_ensemble(network, loss, rule, train, **more).networks, test
    kept = []
    for step in dl.training_steps(network, loss, rule, train, epochs=epochs, batch_size=25, seed=seed):
        if step.ends_epoch and step.epoch >= epochs - count:
            kept.append(snapshot(network))
    return kept, test


def convene(source: str, count: int, job: str, seed: int) -> Any:
    networks, test = members(source, count, job, seed)
    test = test[:TEST]
    alone = np.array([float(share_right(network, test)) for network in networks])
    sizes = range(1, len(networks) + 1)
    vote = np.array([float(share_right(dl.Ensemble(networks[:n]), test)) for n in sizes])
    mean = np.array([float(share_right(dl.average_weights(networks[:n]), test)) for n in sizes])
    return alone, vote, mean


def draw_committee(figure: Any, state: Any) -> None:
    alone, vote, mean = state
    art = figure.art
    if not figure.axes:
        left, right = panels(figure, 1, 2)
        name_axes(left, "networks so far", "share", "New examples read correctly")
        left.set(xlim=(0.6, 12.6), ylim=(0, 1.02), xticks=range(1, 9))
        name_axes(right, "networks so far", "points", "Points more than one of them alone")
        right.set(xlim=(0.6, 12.6), ylim=(-16, 13), xticks=range(1, 9))
        right.plot([0.6, 8.4], [0, 0], color="#888888", linewidth=1.0)  # ends before the names
        alone_words = {"vote": "their vote", "meanweights": "mean weights"}
        art.shares = [curve(left, w, name) for name, w in {"member": "each alone", **alone_words}.items()]
        art.gains = [curve(right, w, name) for name, w in alone_words.items()]
        art.shares[0].line.set_linestyle("")
    numbers = np.arange(1, len(alone) + 1)
    for line, values in zip(art.shares, (alone, vote, mean), strict=True):
        line.set_data(numbers, values)
    for line, values in zip(art.gains, (vote, mean), strict=True):
        line.set_data(numbers, np.clip(100 * (values - alone.mean()), LOW, 13))
    for line in (*art.shares, *art.gains):
        line.line.set_markevery(1)
    spread_labels(art.shares)
    spread_labels(art.gains)


def describe_committee(state: Any, settings: dict[str, Any]) -> str:
    alone, vote, mean = state
    if len(alone) == 1:
        return f"One network only: it reads {alone[0]:.0%} of {TEST} new examples, and so do its vote and its mean."
    gain, noise = 100 * (vote[-1] - alone.mean()), 200 * (alone.mean() * (1 - alone.mean()) / TEST) ** 0.5
    return (
        f"{len(alone)} {settings['source']}: one alone reads {alone.mean():.0%} of {TEST} new examples on average, "
        f"their vote {vote[-1]:.0%}: {scarce.compared(gain, noise)}. The one network with their mean weights reads "
        f"{mean[-1]:.0%}.{beyond(mean, alone)}"
    )


def beyond(mean: np.ndarray, alone: np.ndarray) -> str:
    """Said where the right panel ends before a loss of points does."""
    return (
        f" Right, {-LOW} points less and more are drawn at its edge." if 100 * (mean.min() - alone.mean()) < LOW else ""
    )


def committee() -> Lab:
    """Different starts, snapshots, or moments of one run: who gains from a vote, and who from averaged weights."""
    return Lab(
        convene,
        draw_committee,
        describe=describe_committee,
        alt="Left, share of new examples read by each network, their vote, and mean weights. Right, points gained.",
        figure_size=(9.0, 3.6),
        source=Choice(SOURCES, SOURCES[0], label="members"),
        count=Slider(1, 8, 5, label="how many"),
        job=Choice(list(scarce.JOBS), "wavy lines", label="job"),
        seed=Seed(),
    )
