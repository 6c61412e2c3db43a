"""Slider-sized training jobs against PyTorch: `python benchmarks/training.py` (needs torch to compare).

(a) moons, 1000 points; 2-32-32-2 ReLU; batch 64; 300 steps of momentum. Both start from the same numbers.
"""

import numpy as np
from common import in_turn, machine, report  # first: it sets the threads

import dlcourse as dl


def job_a_ours():
    data = dl.datasets.moons(1000, noise=0.2)
    network = dl.Network([dl.Dense(32), dl.ReLU(), dl.Dense(32), dl.ReLU(), dl.Dense(2)], input_shape=(2,))
    start = network.parameters.theta.copy()

    def job():
        network.parameters.theta[:] = start
        loss, optimizer = dl.SoftmaxCrossEntropy(), dl.Momentum(0.05, 0.9)
        return dl.fit(network, loss, optimizer, data, epochs=20, batch_size=64, drop_last=True).loss

    return job, network, start, data


def job_a_torch(network, start, data, fused: bool):
    import torch

    torch.set_num_threads(1)
    network.parameters.theta[:] = start
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)
    weights = [(torch.tensor(d.W.T.copy()), torch.tensor(d.b[0].copy())) for d in network.layers[::2]]
    rng = np.random.default_rng(0)
    orders = [torch.from_numpy(rng.permutation(1000)) for _ in range(20)]

    def job():
        dense = [torch.nn.Linear(*w.shape[::-1]) for w, _ in weights]
        with torch.no_grad():
            for layer, (w, b) in zip(dense, weights, strict=True):
                layer.weight.copy_(w)
                layer.bias.copy_(b)
        model = torch.nn.Sequential(dense[0], torch.nn.ReLU(), dense[1], torch.nn.ReLU(), dense[2])
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, fused=fused)
        losses = []
        for order in orders:
            for i in range(0, 960, 64):
                batch = order[i : i + 64]
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(model(x[batch]), y[batch])
                loss.backward()
                optimizer.step()
                losses.append(loss.detach())
        return torch.stack(losses).numpy()

    return job


if __name__ == "__main__":
    ours, network, start, data = job_a_ours()
    candidates = {"dlcourse, fit": ours}
    try:
        candidates["PyTorch eager, fused optimizer"] = job_a_torch(network, start, data, fused=True)
        candidates["PyTorch eager, default optimizer"] = job_a_torch(network, start, data, fused=False)
    except ImportError:
        print("PyTorch is not installed: nothing to compare with")
    print(machine("torch"))
    for name, job in candidates.items():
        losses = job()
        print(f"  {name:<44} loss {losses[0]:.5f} → {losses[-1]:.5f}")
    report("(a) moons, 2-32-32-2, 300 steps", in_turn(candidates), "dlcourse, fit")
