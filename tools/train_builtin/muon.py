"""Muon: momentum whose matrix is orthogonalised, so that every direction of a weight learns at the same pace.

Keller Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024. Convolutions are treated as
matrices (out, in * height * width).
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from tools.train_builtin.together import compute_dtype

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic Newton-Schulz step, from the article


def orthogonalise(matrix: Tensor, steps: int = 3) -> Tensor:
    """An approximation of U V^T of the matrix U S V^T (m, n).

    The iteration X <- (a + b G + c G^2) X with G = X X^T is run on the small (m, m) side alone: G commutes with every
    factor, so the factors are multiplied up and X is touched once. Less than half the work for 3x3 convolutions.
    """
    a, b, c = COEFFICIENTS
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT
    x = wide / (wide.norm() + 1e-7)
    gram = x @ x.mT  # (m, m)
    total = identity = torch.eye(len(x), device=x.device, dtype=x.dtype)
    for step in range(steps):
        factor = a * identity + b * gram + c * (gram @ gram)
        total = factor @ total if step else factor
        if step < steps - 1:
            gram = factor @ gram @ factor
    dtype = compute_dtype(x.device)
    result: Tensor = total.to(dtype) @ x.to(dtype)
    return result if matrix.shape[0] <= matrix.shape[1] else result.mT


class Muon(torch.optim.Optimizer):
    """For weights of two or more dimensions; everything else belongs to AdamW.

    With `turns` = 2 every other matrix moves at every other step, on the gradients of both: half the cost of
    orthogonalising, which on a CPU is a quarter of a training step.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, turns: int = 1) -> None:
        super().__init__([{"params": list(parameters), "base_lr": lr}], {"lr": lr, "momentum": momentum})
        self.turns, self.turn = turns, 0

    def _moving(self) -> list[tuple[nn.Parameter, dict[str, Any]]]:
        """The matrices whose turn it is, with their group."""
        return [
            (p, group)
            for group in self.param_groups
            for index, p in enumerate(group["params"])
            if index % self.turns == self.turn and p.grad is not None
        ]

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for p, group in self._moving():
            assert p.grad is not None
            state = self.state[p]
            if not state:
                state["momentum"] = torch.zeros_like(p)
            state["momentum"].lerp_(p.grad, 1 - group["momentum"])
            direction = p.grad.lerp(state["momentum"], group["momentum"])  # Nesterov
            update = orthogonalise(direction.reshape(len(p), -1)).view(p.shape)
            # 0.2 * sqrt(longer side): the step size of Adam, so that one learning rate serves both.
            p.add_(update.to(p.dtype), alpha=-group["lr"] * 0.2 * max(len(p), p[0].numel()) ** 0.5)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients that were just used; the others go on adding up until their turn."""
        for p, _ in self._moving():
            p.grad = None
        self.turn = (self.turn + 1) % self.turns
