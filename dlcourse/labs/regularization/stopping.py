"""Stopping in time: patience, on data with wrong labels."""

from functools import lru_cache
from typing import Any

import dlcourse as dl
from dlcourse.labs.controls import Seed, Slider
from dlcourse.labs.lab import Lab
from dlcourse.labs.regularization import scarce
from dlcourse.labs.regularization.overfitting import MOST, Curves, beyond, draw_loss, draw_right, show, watch
from dlcourse.plots import event, panels
from dlcourse.plots.style import styled


@lru_cache(maxsize=8)
def fifty_epochs(learning_rate: float, wrong: float, seed: int) -> Curves:
    train, rest = scarce.digits(300, wrong, seed)
    network = dl.Network(scarce.dense(128), input_shape=(64,), seed=seed)
    curves = Curves(network, train=train, validation=rest[:300], test=rest[300:800])
    for _ in watch(curves, dl.Momentum(learning_rate, 0.9), train, epochs=50, batch_size=25, seed=seed):
        pass
    return curves


def stop_in_time(learning_rate: float, wrong: float, patience: int, seed: int) -> Any:
    """All epochs: where patience would have ended is seen afterwards, and costs no second training."""
    return fifty_epochs(learning_rate, wrong, seed), patience


def end_of(curves: Curves, patience: int) -> tuple[int, int, bool]:
    """The best epoch, the one after which patience ends, and whether it does."""
    rule = dl.EarlyStopping(patience, restore_best=False)
    for loss in curves.loss["validation"]:
        if rule.observe(loss, curves.network):
            break
    return int(rule.best_epoch), int(rule.epoch), bool(rule.done)


def draw_stop(figure: Any, state: Any) -> None:
    curves, patience = state
    best, last, _ = end_of(curves, patience)
    art = figure.art
    if not figure.axes:
        left, right = panels(figure, 1, 2)
        draw_loss(figure, left, {"train": "train", "validation": "validation"}, 50)
        draw_right(figure, right, {"test": "new digits"}, 50)
        art.marks = [event(left, "best"), event(left, "stop")]
        for mark in art.marks:
            mark.text.set_bbox({"color": "white", "pad": 1.0})
        with styled():
            (art.kept,) = right.plot([], [], "o", color="black", markersize=9, markerfacecolor="white", zorder=5)
        art.name = right.annotate("kept", (0, 0), (6, -18), textcoords="offset points", fontsize=12)
        art.name.set_in_layout(False)
    show(figure, curves)
    for mark, epoch, ends in zip(art.marks, (best, last), ([MOST, 7e-4], [5e-4, 16.0]), strict=True):
        mark.set_data([epoch, epoch], ends)  # its name stands where it ends: below or above
    art.kept.set_data([best], [curves.right["test"][best]])
    art.name.xy = (best, curves.right["test"][best])


def describe_stop(state: Any, settings: dict[str, Any]) -> str:
    curves, patience = state
    best, last, done = end_of(curves, patience)
    kept, end = (scarce.percent(curves.right["test"][epoch]) for epoch in (best, -1))
    wrong = ", wrong labels and all" if settings["wrong"] else ""
    words = f"Patience ends after epoch {last}" if done else "Patience does not end within 50 epochs"
    return (
        f"{words}; the weights of epoch {best} are kept, which read {kept} of the new digits. "
        f"Those of epoch 50 read {end}. At epoch {best} the loss is {curves.loss['validation'][best]:.2f} nats on "
        f"validation digits and {curves.loss['train'][best]:.2f} on its own{wrong}.{beyond(curves)}"
    )


def stopping() -> Lab:
    """Three hundred digits, some labels wrong: the validation loss says when to stop."""
    return Lab(
        stop_in_time,
        draw_stop,
        describe=describe_stop,
        alt="Left, loss by epoch on training and validation digits, log scale. Right, share of new digits read.",
        learning_rate=Slider(1e-3, 0.1, 0.03, log=True, label="learning rate η"),
        wrong=Slider(0.0, 0.6, 0.3, step=0.05, label="wrong labels"),
        patience=Slider(1, 40, 5, label="patience (epochs)"),
        seed=Seed(),
    )
