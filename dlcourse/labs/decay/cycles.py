"""The labs of 05_decay beyond falling: restarts, noise, a look at the loss, rising first, and where to start."""

from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse.labs.controls import Choice, Seed, Slider
from dlcourse.labs.decay.schedules import STEPS, Runs, constant, outcome, set_scene, show, train
from dlcourse.labs.lab import Lab
from dlcourse.labs.momentum.balls import RATE
from dlcourse.plots import curve, event, name_axes, panels

# Restarts


def train_restarts(learning_rate: float, first_decay_steps: int, t_mul: float, m_mul: float, seed: int) -> Runs:
    restarts = dl.CosineDecayRestarts(learning_rate, first_decay_steps, t_mul, m_mul)
    return train([constant(learning_rate), restarts], seed)


def draw_restarts(figure: Any, runs: Runs) -> None:
    if not figure.axes:
        set_scene(figure, {"constant": "sgd", "restarts": "schedule"}, (0, 1.08))
    show(figure, runs, runs.rates[0, 0])


def describe_restarts(runs: Runs, settings: dict[str, Any]) -> str:
    count, done = runs.schedules[1].period(STEPS - 1)
    first = f"Restarted {count} time{'s' * (count != 1)}; at the last step {done:.1%} of a period is done."
    return f"{first} {outcome(runs, ['constant', 'restarts'])}"


def restarts() -> Lab:
    """Cosine decay that begins again and again."""
    return Lab(
        train_restarts,
        draw_restarts,
        describe=describe_restarts,
        alt="Left, a learning rate that falls and jumps up again. Right, the training loss with it and without.",
        learning_rate=Slider(0.01, 10.0, 2.0, log=True, label=RATE),
        first_decay_steps=Slider(60, 720, 240, step=60, label="first period D"),
        t_mul=Slider(1.0, 2.0, 1.0, step=0.5, label="each period times"),
        m_mul=Slider(0.1, 1.0, 1.0, step=0.1, label="each height times"),
        seed=Seed(),
    )


# Noise in the rate


def train_noise(learning_rate: float, variance: float, variance_decay: float, waves: float, seed: int) -> Runs:
    calm = dl.LinearCosineDecay(learning_rate, STEPS, waves)
    noisy = dl.NoisyLinearCosineDecay(learning_rate, STEPS, variance, variance_decay, waves, seed=seed)
    return train([constant(learning_rate), calm, noisy], seed)


def draw_noise(figure: Any, runs: Runs) -> None:
    if not figure.axes:
        set_scene(figure, {"constant": "sgd", "calm": "schedule", "noisy": "noisy"}, (-1.0, 2.5))
        figure.art.rates[0].line.set_visible(False)  # the other two cross it all the time
        figure.art.rates[2].line.set_linewidth(0.8)
    show(figure, runs, runs.rates[0, 0])


def describe_noise(runs: Runs, settings: dict[str, Any]) -> str:
    below = int((runs.rates[:, 2] < 0).sum())
    first = f"The noisy rate is negative in {below} of {STEPS} steps."
    return f"{first} {outcome(runs, ['constant', 'linear cosine', 'noisy'])}"


def noise() -> Lab:
    """Linear cosine decay, with noise in the rate and without."""
    return Lab(
        train_noise,
        draw_noise,
        describe=describe_noise,
        alt="Left, a smooth and a noisy learning rate. Right, the training loss with both and with a constant rate.",
        learning_rate=Slider(0.01, 10.0, 2.0, log=True, label=RATE),
        variance=Slider(0.0, 2.0, 1.0, step=0.1, label="first variance"),
        variance_decay=Slider(0.0, 1.5, 0.55, step=0.05, label="its decay"),
        waves=Slider(0.5, 5.5, 0.5, step=0.5, label="periods"),
        seed=Seed(),
    )


# A rate that looks before it falls

LOOKS = 45


def train_plateau(learning_rate: float, factor: float, patience: int, threshold: float, seed: int) -> Runs:
    plateau = dl.ReduceOnPlateau(learning_rate, factor, patience, threshold)
    return train([constant(learning_rate), plateau], seed, asked=STEPS // LOOKS)


def draw_plateau(figure: Any, runs: Runs) -> None:
    if not figure.axes:
        set_scene(figure, {"constant": "sgd", "plateau": "schedule"}, (0, 1.08))
    show(figure, runs, runs.rates[0, 0])


def describe_plateau(runs: Runs, settings: dict[str, Any]) -> str:
    rates = runs.rates[:, 1]
    cuts = np.flatnonzero(np.diff(rates)) + 1
    first = "It never cuts the rate."
    if len(cuts):
        times = f"{len(cuts)} time{'s' * (len(cuts) != 1)}"
        first = f"It cuts the rate {times}, first at step {cuts[0]}; {rates[-1] / rates[0]:.2g} of η is left."
    return f"{first} {outcome(runs, ['constant', 'plateau'])}"


def plateau() -> Lab:
    """The rate is cut when the loss, looked at every 16 steps, has stopped falling."""
    return Lab(
        train_plateau,
        draw_plateau,
        describe=describe_plateau,
        alt="Left, a learning rate in stairs. Right, the training loss with it and with a constant rate.",
        learning_rate=Slider(0.01, 10.0, 2.0, log=True, label=RATE),
        factor=Slider(0.1, 0.9, 0.3, step=0.1, label="factor"),
        patience=Slider(0, 20, 4, label="patience, looks"),
        threshold=Slider(0.0, 0.2, 0.0, step=0.01, label="threshold, share"),
        seed=Seed(),
    )


# Up before down

EPOCHS, BATCH = 16, 128
LONG = EPOCHS * 12


def one_hidden() -> list[Any]:
    return [dl.Dense(32), dl.ReLU(), dl.Dense(10)]


def rising_train(schedules: Any, seed: int = 0, look: int = 2) -> Runs:
    """Sixteen epochs in large batches with momentum 0.9, where the first steps are the dangerous ones."""
    return train(schedules, seed, one_hidden, EPOCHS, BATCH, momentum=0.9, look=look)


def train_rising(schedule: str, learning_rate: float, rise: float, seed: int) -> Runs:
    up = max(2, round(rise * LONG))
    if schedule == "warm-up, then cosine":
        rising: Any = dl.Warmup(up, then=dl.CosineDecay(learning_rate, LONG - up))
    else:
        rising = dl.OneCycle(learning_rate, LONG, pct_start=rise)
    return rising_train([dl.CosineDecay(learning_rate, LONG), rising], seed)


def draw_rising(figure: Any, runs: Runs) -> None:
    if not figure.axes:
        set_scene(figure, {"cosine": "sgd", "rising first": "schedule"}, (0, 1.08), LONG, low=3e-3)
    show(figure, runs, runs.rates[0, 0], low=3e-3)


def describe_rising(runs: Runs, settings: dict[str, Any]) -> str:
    top = int(runs.rates[:, 1].argmax())
    first = f"The rate rises to {runs.rates[:, 1].max():.3g} at step {top} of {LONG}."
    return f"{first} {outcome(runs, ['cosine from the top', 'rising first'], low=3e-3)}"


def rising() -> Lab:
    """Warm-up and one-cycle, beside a cosine that starts at the top."""
    return Lab(
        train_rising,
        draw_rising,
        describe=describe_rising,
        alt="Left, a rate that rises, then falls, and one that only falls. Right, the training loss with both.",
        schedule=Choice(["warm-up, then cosine", "one cycle"], "warm-up, then cosine"),
        learning_rate=Slider(0.01, 3.0, 1.0, log=True, label="highest rate η"),
        rise=Slider(0.02, 0.5, 0.15, step=0.01, label="share of rising"),
        seed=Seed(),
    )


# Where to start: the range test

OPTIMIZERS: dict[str, Any] = {
    "SGD": lambda rate: dl.SGD(rate),
    "momentum": lambda rate: dl.Momentum(rate, 0.9),
    "Adam": lambda rate: dl.Adam(rate),
}
TRIED = np.logspace(-4, 1, 16)
WORST = 5.0  # of the axis of losses


def try_rates(rule: str, batch_size: int, seed: int, epochs: int = 3) -> np.ndarray:
    """The training loss after a few epochs with each of the rates TRIED, all side by side."""
    digits, _ = dl.datasets.digits()
    network = dl.Network(one_hidden(), input_shape=(64,), lanes=len(TRIED), seed=seed)
    loss = dl.SoftmaxCrossEntropy()
    optimizer = OPTIMIZERS[rule](TRIED[:, None])
    for _ in dl.training_steps(network, loss, optimizer, digits, epochs=epochs, batch_size=batch_size, seed=seed):
        pass
    ends = np.asarray(loss.forward(network.predict(digits.x), digits.y), float)
    return np.where(np.isfinite(ends), ends, np.inf)


def search(rule: str, batch_size: int, steps: int, seed: int) -> Any:
    digits, _ = dl.datasets.digits()
    network = dl.Network(one_hidden(), input_shape=(64,), seed=seed)
    test = dl.learning_rate_range_test(
        network, dl.SoftmaxCrossEntropy(), OPTIMIZERS[rule](0.1), digits,
        low=1e-4, high=10.0, steps=steps, batch_size=batch_size, seed=seed,
    )  # fmt: skip
    return test, try_rates(rule, batch_size, seed)


def draw_search(figure: Any, state: Any) -> None:
    test, ends = state
    art = figure.art
    if not figure.axes:
        axes = panels(figure, 1, 2)
        for ax, title in zip(axes, ("The test: one short run", "The truth: three epochs at each rate"), strict=True):
            name_axes(ax, "learning rate η, log scale", "loss (nats), 5 at most", title, log=True)
            ax.set(xscale="log", xlim=(1e-4, 60), ylim=(0.02, 2 * WORST), xticks=[1e-4, 1e-3, 1e-2, 0.1, 1, 10])
        art.test = curve(axes[0], "", "sgd", marker="", linewidth=1.5)
        art.ends = curve(axes[1], "", "sgd")
        art.bars = [event(ax, "suggestion") for ax in axes]
        art.ends.marks = len(TRIED)
    art.test.set_data(test.learning_rates, np.clip(test.losses, 0.02, WORST))
    art.ends.set_data(TRIED, np.clip(ends, 0.02, WORST))
    for bar in art.bars:
        bar.set_data([test.suggestion] * 2, [0.02, 0.028])
        bar.line.set_data([test.suggestion] * 2, [0.02, 2 * WORST])


def describe_search(state: Any, settings: dict[str, Any]) -> str:
    test, ends = state
    best = TRIED[ends.argmin()]
    times = test.suggestion / best
    words = f"{times:.1f} times the best" if times >= 1 else f"the best is {1 / times:.1f} times as large"
    return (
        f"The test stops after {len(test.losses)} steps and suggests η = {test.suggestion:.2g}. Of the 16 rates tried "
        f"in full, η = {best:.2g} ends lowest, at {ends.min():.3f} nats: {words}."
    )


def range_test() -> Lab:
    """The learning-rate range test, beside what it is meant to foresee."""
    return Lab(
        search,
        draw_search,
        describe=describe_search,
        alt="Left, the loss while the rate is raised step by step. Right, the loss after three epochs at each rate.",
        rule=Choice(list(OPTIMIZERS), "SGD", label="rule"),
        batch_size=Choice([32, 64, 128, 256], 64, label="batch size"),
        steps=Slider(40, 200, 100, step=20, label="steps of the test"),
        seed=Seed(),
    )
