"""Why a training run left the numbers: at which step, in which layer, and which bound it had crossed."""

import numpy as np

from dlcourse import theory
from dlcourse.backend import Array, to_host
from dlcourse.curvature import largest_curvature
from dlcourse.losses import Loss
from dlcourse.network import Network
from dlcourse.optimizers import SGD, Momentum, Nesterov, Optimizer


def where_it_shows(network: Network) -> str:
    """Right after the step: the first layer whose output does not hold finite numbers only is named."""
    for number, (layer, y) in enumerate(zip(network.layers, network.outputs, strict=True)):
        if not np.isfinite(to_host(y)).all():
            return f"the output of layer {number}, {type(layer).__name__}"
    return "the loss"


def bound(network: Network, loss: Loss, optimizer: Optimizer, start: Array, batch: tuple[Array, Array]) -> str | None:
    """The learning rate beside the largest stable one where the run began."""
    if not isinstance(optimizer, SGD | Momentum | Nesterov):
        return None
    theta = network.parameters.theta
    end = theta.copy()
    theta[...] = start
    curvature = largest_curvature(network, loss, *batch)
    theta[...] = end
    if not curvature > 0:
        return None
    mu = getattr(optimizer, "momentum", 0.0)
    exact = theory.nesterov_stability_limit if isinstance(optimizer, Nesterov) else theory.stability_limit
    limit, lr = exact(mu, curvature), float(optimizer.lr)
    side = "above" if lr > limit else "below"
    rest = "" if lr > limit else ", so the curvature has grown on the way"
    at = f"{limit:.3g} (curvature {curvature:.3g}){rest}"
    return f"The rate η = {lr:g} is {side} the largest stable rate at the start, {at}"
