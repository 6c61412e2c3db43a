"""Where theta starts: `init(shape, rng)` draws a weight array. Simple → hard.

Weights are `(in, out)` for a dense layer and `(kh, kw, in, out)` for a convolution, so with
`fan_in, fan_out = fans(shape)` one formula serves both. Draws are made by NumPy on every backend: the same
seed gives the same network on a processor and on a GPU.
"""

import math
from typing import Annotated, Any

import numpy as np

from dlcourse.backend import to_device
from dlcourse.settings import count, finite, not_negative, one_of, positive, refuse, settings

Shape = tuple[int, ...]


def fans(shape: Shape) -> tuple[int, int]:
    """How many numbers flow into one unit, and out to how many one input goes: (fan_in, fan_out).

    fan_in  = kh · kw · in      the product of all axes but the last
    fan_out = kh · kw · out
    """
    if len(shape) < 2:
        refuse("fans.shape", "have 2 axes or more, (in, out) or (kh, kw, in, out)", shape, "A bias has no fans.")
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


class Initializer:
    """An initializer is called with a shape and a generator and returns a NumPy array of that shape."""

    def __call__(self, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        raise NotImplementedError


@settings
class Zeros(Initializer):
    """All zeros. Right for biases; for weights it makes every unit of a layer the same for ever."""

    def __call__(self, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        return np.zeros(shape)


@settings
class Constant(Initializer):
    """Every entry `value`. As symmetric as zeros, and as stuck."""

    value: Annotated[float, finite, "0.0 is the usual bias."]

    def __call__(self, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        return np.full(shape, float(self.value))


@settings
class Gaussian(Initializer):
    """Normal draws.

    w ~ N(mean, std²)
    """

    mean: Annotated[float, finite, "0.0 favours no sign."] = 0.0
    std: Annotated[float, not_negative, "0.01 is the classic, too small for deep networks."] = 0.01

    def __call__(self, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        return rng.normal(self.mean, self.std, shape)


@settings
class Uniform(Initializer):
    """Equal chances between two bounds (the defaults are Caffe's).

    w ~ U[low, high)
    """

    low: Annotated[float, finite, "It must lie below high."] = 0.0
    high: Annotated[float, finite, "It must lie above low."] = 1.0

    def __call__(self, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        if not self.low <= self.high:
            refuse("Uniform.low", f"be at most high={self.high!r}", self.low, "Swap the two.")
        return rng.uniform(self.low, self.high, shape)


@settings
class TruncatedGaussian(Initializer):
    """Normal draws without the tails: what lies beyond two deviations is drawn again (Keras, TensorFlow).

    w ~ N(mean, std²) given |w − mean| ≤ 2 std            the variance is then 0.7737 std²
    """

    mean: Annotated[float, finite, "0.0 favours no sign."] = 0.0
    std: Annotated[float, not_negative, "0.01 is the classic, too small for deep networks."] = 0.01

    def __call__(self, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        draws = rng.normal(size=shape)
        while (beyond := np.abs(draws) > 2).any():
            draws[beyond] = rng.normal(size=int(beyond.sum()))
        return self.mean + self.std * draws


@settings
class PositiveUnitball(Initializer):
    """Every unit takes an average: its weights are positive and add up to 1 (Caffe's positive_unitball).

    u ~ U(0, 1)        w = u / Σ u over the incoming weights of a unit

    It keeps sigmoids out of saturation, and the variance out of everything: Σ w² ≈ 4 / (3 fan_in).
    """

    def __call__(self, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        fans(shape)  # a bias has no incoming weights to share
        draws = rng.uniform(size=shape)
        return draws / draws.sum(axis=tuple(range(len(shape) - 1)), keepdims=True)


@settings
class Sparse(Initializer):
    """Every unit listens to a few inputs only (Martens 2010, with 15 of them).

    nonzeros of a unit's fan_in weights, drawn by lot, are w ~ N(0, std²); the others are 0

    PyTorch's `sparse_` fixes the zeros per column the same way; Caffe's `sparse` keeps each weight by a coin.
    """

    nonzeros: Annotated[int, count, "15 is Martens' choice."]
    std: Annotated[float, positive, "1.0 is Martens' choice."] = 0.01

    def __call__(self, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        fan_in, units = fans(shape)[0], shape[-1]
        if self.nonzeros > fan_in:
            refuse("Sparse.nonzeros", f"be at most fan_in={fan_in}", self.nonzeros, "A unit has no more inputs.")
        chosen = rng.uniform(size=(fan_in, units)).argsort(axis=0) < self.nonzeros
        return np.where(chosen, rng.normal(0.0, self.std, (fan_in, units)), 0.0).reshape(shape)


class FanScaled(Initializer):
    """What Xavier and MSRA share: mean 0 and the variance gain / n, n the chosen fan."""

    gain: float
    fan: str
    distribution: str

    def __call__(self, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        fan_in, fan_out = fans(shape)
        n = {"in": fan_in, "out": fan_out, "average": (fan_in + fan_out) / 2}[self.fan]
        std = math.sqrt(self.gain / n)
        if self.distribution == "normal":
            return rng.normal(0.0, std, shape)
        bound = math.sqrt(3) * std  # U[-a, a] has variance a²/3
        return rng.uniform(-bound, bound, shape)


Fan = Annotated[str, one_of("in", "out", "average"), '"in" protects the forward pass, "out" the backward.']
Law = Annotated[str, one_of("uniform", "normal"), "Both have the same variance."]


@settings
class Xavier(FanScaled):
    """Keeps the variance of a linear or tanh layer (Glorot & Bengio 2010), in Caffe's form.

    n = fan_in, fan_out, or (fan_in + fan_out) / 2
    Var(w) = 1 / n            uniform: w ~ U[-√(3/n), √(3/n)]

    PyTorch's and Keras' Glorot is `fan="average"`.
    """

    fan: Fan = "in"
    distribution: Law = "uniform"
    gain = 1.0


@settings
class MSRA(FanScaled):
    """Keeps the variance through ReLU, which lets half of it pass (He et al. 2015, arXiv:1502.01852).

    Var(w) = 2 / n            normal: w ~ N(0, 2/n)

    PyTorch: `kaiming_normal_(nonlinearity="relu")`. Keras' `he_normal` cuts the tails at two deviations.
    """

    fan: Fan = "in"
    distribution: Law = "normal"
    gain = 2.0


@settings
class Orthogonal(Initializer):
    """A random rotation: keeps every length exactly (Saxe, McClelland & Ganguli 2013, arXiv:1312.6120).

    W as (fan_in, units) has orthonormal columns (or rows, where units > fan_in), times gain.
    """

    gain: Annotated[float, positive, "1.0 keeps lengths; √2 suits ReLU."] = 1.0

    def __call__(self, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        fan_in, units = fans(shape)[0], shape[-1]
        square = rng.normal(size=(max(fan_in, units), min(fan_in, units)))
        q, r = np.linalg.qr(square)
        q *= np.where(np.diag(r) < 0, -1.0, 1.0)  # QR's signs are not random; this makes every rotation as likely
        return self.gain * (q if fan_in >= units else q.T).reshape(shape)


def per_lane(init: Initializer, shape: Shape, rngs: list[np.random.Generator]) -> Any:
    """One draw for all lanes if there is one generator, else a draw for each: (lanes, *shape)."""
    draws = [init(shape, rng) for rng in rngs]
    return draws[0] if len(draws) == 1 else np.stack(draws)


def lsuv(network: Any, x: Any, *, tolerance: float = 0.1, iterations: int = 10, seed: int = 0) -> None:
    """Layer-sequential unit variance (Mishkin & Matas 2016, arXiv:1511.06422): let the data set the scale.

    W ← a random rotation; then, layer after layer,  W ← W / √Var(y)  until |Var(y) − 1| < tolerance

    y is what the layer makes of the batch x, before any activation. Changes the weights of the network in place.
    """
    rng = np.random.default_rng(seed)
    y = network.enter(x)
    for layer in network.layers:
        window = layer.windows.get("W")
        if window is not None and not window.frozen:
            layer.W[...] = to_device(Orthogonal()(window.shape, rng), layer.W.dtype)
            for _ in range(iterations):
                out = layer.forward(y)
                spread = out.reshape((*layer.W.shape[: -len(window.shape)], -1)).var(axis=-1)  # one per lane
                if bool((abs(spread - 1) < tolerance).all()) or not bool((spread > 0).all()):
                    break
                layer.W /= spread.reshape((*spread.shape, *[1] * len(window.shape))) ** 0.5
        y = layer.forward(y)
