"""How steep the loss of a network is where it stands: what limits the learning rate."""

from typing import Any

import numpy as np

from dlcourse.backend import to_device, to_host
from dlcourse.losses import Loss
from dlcourse.network import Network
from dlcourse.settings import refuse


def largest_curvature(network: Network, loss: Loss, x: Any, y: Any, iterations: int = 20, seed: int = 0) -> float:
    """λmax, the largest eigenvalue of the Hessian H at theta, by power iteration (von Mises 1929); an estimate.

    v ← Hv / ‖Hv‖        Hv ≈ (g(θ + hv) − g(θ − hv)) / 2h        λmax = vᵀHv

    x, y: the data that the loss is taken on. Gradient descent falls apart above 2/λmax, momentum above
    2(1 + μ)/λmax. theta is left as it was. Raises SettingError for a network with lanes.
    """
    if network.lanes:
        refuse("largest_curvature.network", "have no lanes", network.lanes, "Build it without.")
    theta = network.parameters.theta
    start = theta.copy()
    v = to_device(np.random.default_rng(seed).normal(size=theta.shape), theta.dtype)
    curvature = 0.0
    for _ in range(iterations):
        v /= float((v * v).sum()) ** 0.5 or 1.0
        h = 1e-2 if theta.dtype == np.float32 else 1e-4
        slopes = []
        for side in (h, -h):
            theta[:] = start + side * v
            loss.forward(network.forward(x, training=False), y)
            network.backward(loss.backward())
            slopes.append(network.parameters.grad.copy())
        bend = (slopes[0] - slopes[1]) / (2 * h)
        curvature = float(to_host((v * bend).sum()))
        v = bend
    theta[:] = start
    return curvature
