"""Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon), in the weights' own precision.

`torch.optim.Muon` multiplies in bfloat16, which takes thirty times as long on a processor without instructions for it.
"""

from collections.abc import Iterable

import torch

# The quintic iteration of the paper: it drives every singular value to about one within five steps.
COEFFICIENTS, ITERATIONS = (3.4445, -4.7750, 2.0315), 5


class Muon(torch.optim.Optimizer):
    """Momentum whose update has its singular values set to about one; for matrices only, as `torch.optim.Muon`."""

    def __init__(self, params: Iterable[torch.Tensor], lr: float, weight_decay: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Update every matrix by its gradient; a closure is not called."""
        for group in self.param_groups:
            for weights in group["params"]:
                momentum = self.state[weights].setdefault("momentum", torch.zeros_like(weights))
                momentum.lerp_(weights.grad, 1 - group["momentum"])
                rate = group["lr"] * max(1.0, weights.shape[0] / weights.shape[1]) ** 0.5
                weights.mul_(1 - group["lr"] * group["weight_decay"])
                weights.sub_(orthogonal(weights.grad.lerp(momentum, group["momentum"])), alpha=rate)


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """Set the singular values of `matrix` to about one (Newton and Schulz)."""
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonal(matrix.T).T
    found = matrix / matrix.norm().clamp(min=1e-7)
    first, third, fifth = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = found @ found.T
        found = torch.addmm(found, torch.addmm(gram, gram, gram, beta=third, alpha=fifth), found, beta=first)
    return found
