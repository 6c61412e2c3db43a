"""JAX: the whole training as one lax.scan under jit; once compiled, and with the compilation that a new shape costs.

Convolution is patches and a product: on a CPU that is many times faster than lax.conv at these sizes.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jobs import Statistics

import dlcourse as dl


def candidates(job):
    run, arguments = (looking if isinstance(job, Statistics) else training)(job)
    compiled = jax.jit(run)

    def anew():
        return np.asarray(jax.jit(lambda *a: run(*a))(*arguments)[0])  # a new function is compiled anew

    yield "JAX, jit and scan", lambda: np.asarray(compiled(*arguments)[0])
    yield "JAX, compilation included", anew


def start(job):
    """What our layers start from."""
    job.network.reset()
    return [{name: jnp.asarray(getattr(layer, name).copy()) for name in layer.windows} for layer in job.layers]


def data(job):
    return tuple(jnp.asarray(a) for a in (job.data.x, job.data.y, job.batches))


def forward(layers, parameters, x, taps=()):
    """(scores, what batch norm saw, activations of tanh); taps are added to these, so that they get a gradient."""
    seen, activations, taps = [], [], iter(taps)
    for layer, p in zip(layers, parameters, strict=True):
        match type(layer).__name__:
            case "Dense":
                x = x @ p["W"] + p["b"]
            case "Conv2D":
                x = convolution(x, p["W"]) + p["b"]
            case "BatchNorm":
                mean, variance = x.mean(0), x.var(0)
                seen.append((mean, variance * len(x) / (len(x) - 1)))
                x = p["gamma"] * (x - mean) * lax.rsqrt(variance + layer.eps) + p["beta"]
            case "ReLU":
                x = jax.nn.relu(x)
            case "Tanh":
                x = jnp.tanh(x) + next(taps)
                activations.append(x)
            case "Flatten":
                x = x.reshape(len(x), -1)
    return x, seen, activations


def convolution(x, w):
    (n, height, width, channels), size = x.shape, len(w)
    padded = jnp.pad(x, ((0, 0), (size // 2,) * 2, (size // 2,) * 2, (0, 0)))
    places = [(i, j) for i in range(size) for j in range(size)]
    patches = jnp.concatenate([padded[:, i : i + height, j : j + width] for i, j in places], axis=-1)
    return (patches.reshape(-1, size * size * channels) @ w.reshape(-1, w.shape[-1])).reshape(n, height, width, -1)


def cross_entropy(z, y):
    return -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1).mean()


def training(job):
    """(run, arguments); run(rate, parameters, x, y, batches) -> the losses, and all that a training leaves behind."""
    layers, tree = job.layers, jax.tree.map
    norms = [layer for layer in layers if type(layer).__name__ == "BatchNorm"]

    def momentum(rate, p, g, memory, t):
        v = tree(lambda v, g: job.optimizer.momentum * v - rate * g, memory[0], g)
        return tree(jnp.add, p, v), (v,)

    def adam(rate, p, g, memory, t):
        m = tree(lambda m, g: 0.9 * m + 0.1 * g, memory[0], g)
        v = tree(lambda v, g: 0.999 * v + 0.001 * g * g, memory[1], g)

        def move(p, m, v):
            return p - rate * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8)

        return tree(move, p, m, v), (m, v)

    rule, memories = (momentum, 1) if isinstance(job.optimizer, dl.Momentum) else (adam, 2)

    def loss_of(p, x, y):
        z, seen, _ = forward(layers, p, x)
        return cross_entropy(z, y), seen

    def run(rate, p, x, y, batches):
        def step(carry, batch):
            p, memory, running, t = carry
            (loss, seen), g = jax.value_and_grad(loss_of, has_aux=True)(p, x[batch], y[batch])
            p, memory = rule(rate, p, g, memory, t)
            running = [
                tree(lambda old, new, d=layer.decay: d * old + (1 - d) * new, *pair)
                for layer, *pair in zip(norms, running, seen, strict=True)
            ]
            return (p, memory, running, t + 1), loss

        running = [(jnp.zeros(layer.input_shape), jnp.ones(layer.input_shape)) for layer in norms]
        memory = (tree(jnp.zeros_like, p),) * memories
        left, losses = lax.scan(step, (p, memory, running, jnp.float32(1)), batches)
        return losses, left

    return run, (job.optimizer.learning_rate, start(job), *data(job))


def looking(job):
    """Gradients of parameters are summed up, or the compiler would leave half of the work out."""
    layers = job.layers

    def histogram(a, reach):
        places = ((a.ravel() + reach) * (job.bins / (2 * reach))).astype(jnp.int32)
        return jnp.zeros(job.bins, jnp.int32).at[jnp.clip(places, 0, job.bins - 1)].add(1)

    def run(p, x, y, batches):
        def step(total, batch):
            def loss_of(p, taps):
                z, _, activations = forward(layers, p, x[batch], taps)
                return cross_entropy(z, y[batch]), activations

            taps = [jnp.zeros((len(batch), 100))] * 10
            (gp, gradients), activations = jax.grad(loss_of, argnums=(0, 1), has_aux=True)(p, taps)
            pairs = [*zip(activations, gradients, strict=True)][::-1]
            squares = jnp.stack([jnp.stack([(a * a).mean() for a in pair]) for pair in pairs])
            means = jnp.stack([jnp.stack([a.mean() for a in pair]) for pair in pairs])
            counts = [
                (histogram(a, 1.0), histogram(g, 4 * jnp.sqrt(square[1])))
                for (a, g), square in zip(pairs if job.bins else [], squares, strict=False)
            ]
            return total + sum(g.sum() for g in jax.tree.leaves(gp)), (squares[:, 0], squares, means, counts)

        total, (first, *rest) = lax.scan(step, jnp.float32(0), batches)
        return first.ravel(), rest, total

    return run, (start(job), *data(job))
