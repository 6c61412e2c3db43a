"""Limits on the gradient before a step: against the one batch that throws a run off its road.

Both change grad in place and treat each lane, if there are lanes, on its own. A gradient that is not finite
points nowhere, and what it leaves in θ, or in an optimizer's memory, stays there: so it never gets past here.
"""

from typing import Any

from dlcourse.backend import Array, is_array, norm, to_device, xp
from dlcourse.settings import check, positive, refuse


def clip_by_value(grad: Array, limit: Any, error_if_nonfinite: bool = False) -> Array:
    """No entry beyond ±limit; this may turn the gradient's direction.

    grad ← min(max(grad, −limit), limit)            ±∞ becomes ±limit, NaN becomes 0

    limit: a number, or a (lanes, 1) column. error_if_nonfinite: refuse such a gradient instead.
    """
    limit = limit_for(grad, limit, "clip_by_value", error_if_nonfinite)
    grad[xp.isnan(grad)] = 0
    return xp.clip(grad, -limit, limit, out=grad)


def clip_by_norm(grad: Array, limit: Any, error_if_nonfinite: bool = False) -> Array:
    """Shorten grad to at most `limit`, keeping its direction (Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063).

    grad ← grad · min(1, limit / ‖grad‖)            0 if ‖grad‖ is not finite: no step along this batch

    limit: a number, or a (lanes, 1) column. error_if_nonfinite: refuse such a gradient instead.
    """
    limit = limit_for(grad, limit, "clip_by_norm", error_if_nonfinite)
    finite = xp.isfinite(grad).all(axis=-1, keepdims=True)
    xp.copyto(grad, 0, where=~finite)  # before any product: ∞ · 0 is NaN
    length = norm(grad, axis=-1)
    grad *= xp.where(length > limit, limit / xp.where(length > limit, length, 1), 1).astype(grad.dtype)
    return grad


def limit_for(grad: Array, limit: Any, name: str, error_if_nonfinite: bool) -> Any:
    """The limit, checked, in grad's dtype and where grad lives."""
    if not is_array(grad) or grad.dtype.kind != "f":
        kind = getattr(grad, "dtype", type(grad).__name__)
        refuse(
            f"{name}.grad",
            "be an array of floating-point numbers, to be changed in place",
            str(kind),
            "Use astype(float).",
        )
    if error_if_nonfinite and not xp.isfinite(grad).all():
        bad = int((~xp.isfinite(grad)).sum())
        refuse(
            f"{name}.grad", "be finite", f"{bad} of {grad.size} not finite", "The loss has diverged: lower the rate."
        )
    limit = check(f"{name}.limit", positive, limit, "1.0 is usual.")
    return to_device(limit, grad.dtype) if is_array(limit) else limit
