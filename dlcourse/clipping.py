"""Limits on the gradient before a step: against the one batch that throws a run off its road."""

from dlcourse.backend import Array, xp


def clip_by_norm(grad: Array, limit: float) -> Array:
    """Shorten grad to at most `limit`, keeping its direction (Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063).

    grad ← grad · min(1, limit / ‖grad‖)            in place; with lanes, each lane has its own norm
    """
    norm = xp.sqrt((grad * grad).sum(axis=-1, keepdims=True))
    grad *= xp.minimum(1, limit / xp.maximum(norm, xp.finfo(grad.dtype).tiny))
    return grad
