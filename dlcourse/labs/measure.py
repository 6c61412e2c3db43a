"""What many labs measure: one number, or one for each lane, never on the device."""

from typing import Any

import dlcourse as dl


def share_right(network: Any, data: Any) -> Any:
    """The share of examples that a network reads correctly."""
    return share_of(network.predict(data.x), data.y)


def loss_and_share(network: Any, data: Any) -> tuple[Any, Any]:
    """The cross-entropy in nats, and the share of examples that a network reads correctly."""
    scores = network.predict(data.x)
    return dl.to_host(dl.SoftmaxCrossEntropy().forward(scores, data.y)), share_of(scores, data.y)


def share_of(scores: Any, y: Any) -> Any:
    return (dl.to_host(scores).argmax(axis=-1) == y).mean(axis=-1)
