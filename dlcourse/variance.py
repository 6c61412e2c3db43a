"""What can be known about a start without drawing it: how much signal a layer passes on, and how much gradient back.

    z = x W + b, y = φ(z)        E[z²] = n_in Var(w) E[x²]                   for weights of mean 0 and b = 0
                                 E[y²] = E[φ(z)²], z ~ N(0, E[z²])           exact in the limit of wide layers
    dx = (dy · φ'(z)) Wᵀ         E[dx²] = n_out Var(w) E[φ'(z)²] E[dy²]

(Glorot & Bengio 2010; He et al. 2015, arXiv:1502.01852; Poole et al. 2016, arXiv:1606.05340, who take the integral.)
n_in Var(w) is the gain of a layer. 1 keeps the signal of linear layers, 2 that of ReLU.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlcourse.initializers import FanScaled, Gaussian, Initializer, Orthogonal, Shape, Sparse, Zeros, fans
from dlcourse.settings import check, count, not_negative, refuse, unknown_name

Function = Callable[[np.ndarray], np.ndarray]


def sigmoid(z: np.ndarray) -> np.ndarray:
    return (1.0 + np.tanh(z / 2.0)) / 2.0


# name → φ and its slope φ'
ACTIVATIONS: dict[str, tuple[Function, Function]] = {
    "linear": (lambda z: z, np.ones_like),
    "tanh": (np.tanh, lambda z: 1.0 - np.tanh(z) ** 2),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * (1.0 - sigmoid(z))),
    "ReLU": (lambda z: np.maximum(z, 0.0), lambda z: (z > 0) * 1.0),
}

# Middles of small steps from −9 to 9 and the chance of each: an even number, so that 0, where ReLU bends, is an edge.
NORMAL = (np.arange(3000) + 0.5) * 0.006 - 9.0
CHANCE = np.exp(-(NORMAL**2) / 2.0) / np.exp(-(NORMAL**2) / 2.0).sum()


def moments(activation: str, power: float) -> tuple[float, float]:
    """E[φ(z)²] and E[φ'(z)²] for z ~ N(0, power): what one layer leaves of a signal, and of a gradient."""
    if activation not in ACTIVATIONS:
        unknown_name("moments.activation", activation, ACTIVATIONS)
    power = check("moments.power", not_negative, power, "It is E[z²].")
    function, slope = ACTIVATIONS[activation]
    z = math.sqrt(power) * NORMAL
    return float(CHANCE @ function(z) ** 2), float(CHANCE @ slope(z) ** 2)


def weight_variance(init: Initializer, shape: Shape) -> float | None:
    """Var(w) of a start whose weights have mean 0; None for one whose weights have not."""
    fan_in, fan_out = fans(shape)
    if isinstance(init, FanScaled):
        return init.gain / {"in": fan_in, "out": fan_out, "average": (fan_in + fan_out) / 2}[init.fan]
    if isinstance(init, Orthogonal):
        return init.gain**2 / max(fan_in, shape[-1])
    if isinstance(init, Sparse):
        return init.nonzeros / fan_in * init.std**2
    if isinstance(init, Gaussian) and init.mean == 0:
        return float(init.std**2)
    return 0.0 if isinstance(init, Zeros) else None


def forward(activation: str, gains: Sequence[float] | np.ndarray, power: float = 1.0) -> np.ndarray:
    """E[y²] before the first layer and after each: (layers + 1,). gains: n_in Var(w) of each layer."""
    powers = [power]
    for gain in gains:
        powers.append(moments(activation, gain * powers[-1])[0])
    return np.array(powers)


def backward(
    activation: str, gains: Sequence[float] | np.ndarray, gains_back: Sequence[float] | np.ndarray, power: float = 1.0
) -> np.ndarray:
    """E[dy²] at the input and after each layer, as a share of that after the last: (layers + 1,), ending with 1.

    gains: n_in Var(w) of each layer, which decide where its z lie; gains_back: n_out Var(w) of each.
    """
    if len(gains) != len(gains_back):
        refuse("backward.gains_back", f"be as many as gains, {len(gains)}", len(gains_back), "One for each layer.")
    inputs, shares = forward(activation, gains, power), [1.0]
    for layer in reversed(range(len(gains))):
        slope = moments(activation, gains[layer] * inputs[layer])[1]
        shares.append(shares[-1] * gains_back[layer] * slope)
    return np.array(shares[::-1])


def unit_ball_spread(spread: float, fan_in: int) -> float:
    """Deviation between the units z of a positive unit ball, given the deviation between its inputs: s / √(3n).

    Weights add up to 1, so a unit is an average, and only what differs between inputs is left: Var(z) = s² / (3n),
    because Var(w) ≈ (1 − 1/n) / (3n²).
    """
    return spread / math.sqrt(3.0 * fan_in)


def spectrum(width: int, depth: int) -> np.ndarray:
    """Singular values, largest first, of a product of `depth` matrices (width, width) with w ~ N(0, 1/width).

    s_k ≈ exp(depth · λ_k),  λ_k = (ln(2/n) + ψ((n − k + 1)/2)) / 2        Newman 1986; the deeper, the better
    """
    width = check("spectrum.width", count, width, "64 is the course's.")
    halves: Any = (width - np.arange(width)) / 2.0
    return np.exp(depth * (math.log(2.0 / width) + np.array([digamma(h) for h in halves])) / 2.0)


def digamma(x: float) -> float:
    """ψ at whole and half numbers, by ψ(x + 1) = ψ(x) + 1/x from ψ(1) = −γ and ψ(½) = −γ − 2 ln 2."""
    start, value = (1.0, 0.0) if x == int(x) else (0.5, -2.0 * math.log(2.0))
    return value - float(np.euler_gamma) + sum(1.0 / (start + k) for k in range(round(x - start)))
