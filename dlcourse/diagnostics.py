"""Is the network doing what we think it does?"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dlcourse.backend import Array, to_device, to_host
from dlcourse.losses import Loss
from dlcourse.network import Network
from dlcourse.parameters import Parameters
from dlcourse.settings import check, count


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
        lines = [f"gradient check: {'passed' if self.passed else 'FAILED'}, worst {self.worst:.1e}"]
        for c in self.checks:
            mark = "✓" if c.error <= self.tolerance else "✗"
            kinks = f", {c.kinks} on a kink" if c.kinks else ""
            lines.append(f"  {mark} {c.name:<22} {c.error:.1e}   ({c.compared} entries{kinks})")
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
    try:
        return compare_gradients(network, loss, x, y, entries, tolerance, np.random.default_rng(seed))
    finally:
        network.parameters = own
        own.bind()


def compare_gradients(
    network: Network, loss: Loss, x: Any, y: Any, entries: int, tolerance: float, rng: np.random.Generator
) -> GradientReport:
    x, theta = network.enter(x).copy(), network.parameters.theta

    def value() -> float:
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
