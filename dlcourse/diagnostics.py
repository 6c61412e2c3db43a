"""Is the network doing what we think it does?"""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlcourse.backend import Array, to_device, to_host
from dlcourse.losses import Loss
from dlcourse.network import Network
from dlcourse.optimizers import Optimizer
from dlcourse.parameters import Parameters
from dlcourse.settings import check, count, positive, refuse
from dlcourse.training import training_steps


@dataclass
class GradientCheck:
    """One window of theta: how many entries were compared, how many lay on a kink, the worst relative error."""

    name: str
    compared: int
    kinks: int
    error: float


@dataclass
class GradientReport:
    """The result of check_gradient. `passed` if no relative error is above `tolerance`; true in an `if`."""

    checks: list[GradientCheck]
    tolerance: float

    @property
    def worst(self) -> float:
        return max((c.error for c in self.checks), default=0.0)

    @property
    def passed(self) -> bool:
        return self.worst <= self.tolerance

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        worst = f"worst relative error {self.worst:.1e}" if self.worst else "all differences within rounding"
        lines = [f"gradient check: {'passed' if self.passed else 'FAILED'}, {worst}"]
        for c in self.checks:
            mark = "✓" if c.error <= self.tolerance else "✗"
            kinks = f", {c.kinks} on a kink" if c.kinks else ""
            error = f"{c.error:.1e}" if c.error else "≈ 0"
            lines.append(f"  {mark} {c.name:<22} {error:<8}  ({c.compared} entries{kinks})")
        return "\n".join(lines)


def check_gradient(
    network: Network, loss: Loss, x: Any, y: Any, *, entries: int = 100, tolerance: float = 1e-6, seed: int = 0
) -> GradientReport:
    """Compare `backward` with finite differences, window by window, and for the input x.

    numeric = (f(θ + h) − f(θ − h)) / 2h            h = 1e-5, always in float64
    error   = |analytic − numeric| / (|analytic| + |numeric|), or over 1e-4 · max|gradient| if that is larger

    A difference that rounding f can cause is no error. `entries` of each window are tried, drawn with seed. Where the
    two one-sided slopes disagree, however small h, is a kink, as ReLU has at 0: there is no derivative to compare;
    it is counted, not judged. theta is left as it was.
    """
    check("check_gradient.entries", count, entries, "100 of each window are enough to find a mistake.")
    own = network.parameters
    network.parameters = Parameters(network.layers, own.lanes, "float64")
    network.parameters.theta[...] = to_device(own.theta, "float64")
    before = {name: array.copy() for name, array in network.state().items()}  # running statistics see no test
    try:
        return compare_gradients(network, loss, x, y, entries, tolerance, np.random.default_rng(seed))
    finally:
        network.load_state(before)
        network.parameters = own
        own.bind()


def compare_gradients(
    network: Network, loss: Loss, x: Any, y: Any, entries: int, tolerance: float, rng: np.random.Generator
) -> GradientReport:
    x, theta = network.enter(x).copy(), network.parameters.theta

    def value() -> float:
        network.reseed(0)  # the dice of dropout fall as they did
        return float(to_host(loss.forward(network.forward(x, training=True), y)).sum())  # lanes do not interact

    value()
    network.parameters.grad[...] = np.nan  # backward must overwrite it all
    dx = to_host(network.backward(loss.backward()))
    dx = dx.sum(axis=0) if dx.ndim > x.ndim else dx  # all lanes saw the same x
    grad = to_host(network.parameters.grad).copy()
    checks = []
    for number, layer in enumerate(network.layers):
        for name, window in layer.windows.items():
            columns = rng.permutation(np.arange(window.start, window.stop))[:entries]
            lanes = rng.integers(network.lanes or 1, size=len(columns)).tolist()
            places = [(lane, c)[-theta.ndim :] for lane, c in zip(lanes, columns.tolist(), strict=True)]
            label = f"{number} {type(layer).__name__}.{name}"
            checks.append(check_entries(label, value, theta, grad, places, tolerance))
    some = rng.permutation(x.size)[:entries]
    places = [tuple(place) for place in np.argwhere(np.ones(x.shape))[some].tolist()]
    checks.append(check_entries("input x", value, x, dx, places, tolerance))
    return GradientReport(checks, tolerance)


def check_entries(
    name: str, value: Any, variable: Array, gradient: np.ndarray, places: list[Any], tolerance: float, h: float = 1e-5
) -> GradientCheck:
    """Nudge one entry of `variable` after the other, both ways; look closer where that may have crossed a kink."""
    result = GradientCheck(name, 0, 0, 0.0)
    middle = value()
    floor = 1e-4 * float(np.abs(gradient[np.isfinite(gradient)]).max(initial=0.0))

    def judge(place: Any, h: float) -> tuple[float, float, bool]:
        """The relative error, the jump between the one-sided slopes, and whether it can excuse the error."""
        before = float(variable[place])
        variable[place] = before + h
        right = (value() - middle) / h
        variable[place] = before - h
        left = (middle - value()) / h
        variable[place] = before
        numeric, analytic, jump = (left + right) / 2, float(gradient[place]), abs(right - left)
        rounding = 8 * float(np.finfo(float).eps) * (1 + abs(middle)) / h
        if not np.isfinite(analytic):
            return np.inf, jump, False
        apart = max(abs(analytic - numeric) - rounding, 0.0)
        excused = apart <= 0.6 * jump or jump > 1e-2 * abs(numeric) + floor
        return apart / max(abs(analytic) + abs(numeric), floor, 1e-12), jump, excused

    for place in places:
        error, jump, _ = judge(place, h)
        if error > tolerance:
            error, closer, excused = judge(place, h / 10)
            if error > tolerance and excused and closer > 0.15 * jump:  # curvature alone would leave a tenth
                result.kinks += 1
                continue
        result.compared += 1
        result.error = max(result.error, error)
    return result


@dataclass
class LayerStatistics:
    """What flows through one layer: mean and deviation of its output y, the share of exact zeros in it, and, with a
    loss, the deviation of d(loss)/dy. One number each, or one per lane."""

    name: str
    mean: Any
    std: Any
    zeros: Any
    gradient_std: Any = None


def activation_statistics(network: Network, x: Any, loss: Loss | None = None, y: Any = None) -> list[LayerStatistics]:
    """Mean, deviation and zeros of every layer's output for the batch x; with loss and y, of the gradients too.

    A signal that shrinks from layer to layer vanishes, one that grows explodes; zeros count the units that are off.
    """
    signals, out = [], network.enter(x)
    before = {name: array.copy() for name, array in network.state().items()}  # running statistics see no test
    for layer in network.layers:
        out = layer.forward(out, training=True)
        signals.append(out.copy())
    gradients: list[Any] = [None] * len(signals)
    if loss is not None:
        loss.forward(out, y)
        dy = loss.backward()
        for number in reversed(range(len(signals))):
            gradients[number] = dy.copy()
            dy = network.layers[number].backward(dy)
    network.load_state(before)
    return [
        LayerStatistics(f"{n} {type(layer).__name__}", *moments(signal, network.lanes), deviation(g, network.lanes))
        for n, (layer, signal, g) in enumerate(zip(network.layers, signals, gradients, strict=True))
    ]


def moments(signal: Array, lanes: int | None) -> tuple[Any, Any, Any]:
    """Mean, deviation and share of zeros; one of each per lane, if the signal has lanes."""
    flat = to_host(signal).reshape(lanes if lanes and signal.shape[0] == lanes else 1, -1)
    three = flat.mean(axis=1, dtype=float), flat.std(axis=1, dtype=float), (flat == 0).mean(axis=1)
    return three if lanes else tuple(float(v[0]) for v in three)  # type: ignore[return-value]


def deviation(gradient: Array | None, lanes: int | None) -> Any:
    return None if gradient is None else moments(gradient, lanes)[1]


@dataclass
class RangeTest:
    """Loss against learning rate, both (steps,), and the rate at which the loss fell fastest."""

    learning_rates: np.ndarray
    losses: np.ndarray
    suggestion: float

    def __repr__(self) -> str:
        return f"RangeTest({len(self.losses)} rates, suggestion={self.suggestion:.3g})"


def learning_rate_range_test(
    network: Network,
    loss: Loss,
    optimizer: Optimizer,
    train: Any,
    *,
    low: float = 1e-5,
    high: float = 10.0,
    steps: int = 100,
    batch_size: int = 64,
    seed: int = 0,
) -> RangeTest:
    """Raise the learning rate from low to high, step by step, and watch the loss (Smith 2017, arXiv:1506.01186).

    η at step t: low · (high / low)^(t / (steps − 1)). It ends where the loss is four times its best or no number.
    The suggestion is the rate at which the smoothed loss falls fastest per step of log η. Network and optimizer are
    left as they were. Raises SettingError for a network with lanes.
    """
    check("learning_rate_range_test.low", positive, low, "1e-5 is a usual start.")
    check("learning_rate_range_test.high", positive, high, "10 is a usual end.")
    check("learning_rate_range_test.steps", count, steps, "100 make a readable curve.")
    if network.lanes:
        refuse("learning_rate_range_test.network", "have no lanes", network.lanes, "It is a sweep of its own.")
    rates = low * (high / low) ** (np.arange(steps) / max(steps - 1, 1))
    trial = copy.deepcopy(optimizer)
    trial.learning_rate = lambda step: float(rates[min(step, steps - 1)])
    before = {name: array.copy() for name, array in network.state().items()}
    losses: list[float] = []
    examples, _ = train
    epochs = -(-steps * batch_size // len(examples))
    with np.errstate(all="ignore"):
        run = training_steps(network, loss, trial, train, epochs=epochs + 1, batch_size=batch_size, seed=seed)
        for step, _ in zip(run, range(steps), strict=False):
            losses.append(float(step.loss))
            if not losses[-1] < 4 * min(losses):
                break
    network.load_state(before)
    seen = np.array(losses)
    return RangeTest(rates[: len(seen)], seen, float(steepest(rates[: len(seen)], seen)))


def steepest(rates: np.ndarray, losses: np.ndarray) -> float:
    """Where the loss falls fastest, after an average over five neighbours has taken the noise of batches away."""
    finite = losses[np.isfinite(losses)]
    if len(finite) < 10:
        return rates[0]
    smooth = np.convolve(finite, np.ones(5) / 5, mode="valid")
    return rates[2 + int(np.argmin(np.diff(smooth)))]
