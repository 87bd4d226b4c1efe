"""The yardstick of training speed: a GPT as people write it and run it on a processor.

The model and the loop follow nanoGPT (https://github.com/karpathy/nanoGPT), in its configuration
for a processor: 4 layers of 128, 4 heads, 64 characters, 12 texts a step, no compiler, float32,
AdamW as torch has it by default. Written anew, so that it runs with what the package needs anyway.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn

Ids = NDArray[np.uint16]


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What both sides train with; nanoGPT's values for a processor."""

    vocab_size: int = 65
    n_layers: int = 4
    n_heads: int = 4
    dim: int = 128
    length: int = 64
    batch: int = 12
    iterations: int = 2000
    warmup: int = 100
    learning_rate: float = 1e-3
    least_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.1
    clip: float = 1.0

    def rate(self, iteration: int) -> float:
        """Warm-up, then half a cosine down to `least_rate`."""
        if iteration < self.warmup:
            return self.learning_rate * (iteration + 1) / (self.warmup + 1)
        done = (iteration - self.warmup) / (self.iterations - self.warmup)
        share = 0.5 * (1.0 + math.cos(math.pi * done))
        return self.least_rate + share * (self.learning_rate - self.least_rate)


class Block(nn.Module):
    """Pre-norm: attention, then a GELU layer four times as wide."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        dim = setup.dim
        self.n_heads = setup.n_heads
        self.norm1 = nn.LayerNorm(dim, bias=False)
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)
        self.norm2 = nn.LayerNorm(dim, bias=False)
        self.up = nn.Linear(dim, 4 * dim, bias=False)
        self.down = nn.Linear(4 * dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attend(self.norm1(x))
        return x + self.down(F.gelu(self.up(self.norm2(x))))  # type: ignore[no-any-return]

    def attend(self, x: Tensor) -> Tensor:
        B, T, D = x.shape
        q, k, v = self.qkv(x).split(D, dim=2)  # (B, T, D) each
        q, k, v = (y.view(B, T, self.n_heads, -1).transpose(1, 2) for y in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # (B, H, T, D/H)
        return self.out(y.transpose(1, 2).contiguous().view(B, T, D))  # type: ignore[no-any-return]


class PlainGPT(nn.Module):
    """GPT-2 in small, its head tied to its token embedding."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.tokens = nn.Embedding(setup.vocab_size, setup.dim)
        self.positions = nn.Embedding(setup.length, setup.dim)
        self.blocks = nn.ModuleList(Block(setup) for _ in range(setup.n_layers))
        self.norm = nn.LayerNorm(setup.dim, bias=False)
        self.head = nn.Linear(setup.dim, setup.vocab_size, bias=False)
        self.head.weight = self.tokens.weight
        for name, weight in self.named_parameters():
            if weight.dim() > 1:
                is_residual = name.endswith(("out.weight", "down.weight"))
                std = 0.02 / math.sqrt(2 * setup.n_layers) if is_residual else 0.02
                nn.init.normal_(weight, std=std)

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        places = torch.arange(ids.shape[1], device=ids.device)
        x = self.tokens(ids) + self.positions(places)  # (B, T, D)
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.norm(x))  # (B, T, V)
        return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))


class PlainLoop:
    """nanoGPT's loop; `step` is one iteration."""

    def __init__(self, setup: Setup, ids: Path, seed: int) -> None:
        torch.manual_seed(seed)
        self.setup, self.ids = setup, ids
        self.model = PlainGPT(setup)
        matrices = [p for p in self.model.parameters() if p.dim() >= 2]
        vectors = [p for p in self.model.parameters() if p.dim() < 2]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": setup.weight_decay},
                {"params": vectors, "weight_decay": 0.0},
            ],
            lr=setup.learning_rate,
            betas=setup.betas,
        )
        self.iteration = 0
        self.next_batch = self.get_batch()

    def get_batch(self) -> tuple[Tensor, Tensor]:
        """Texts from random places; the file is mapped anew each time, as nanoGPT does."""
        ids: Ids = np.memmap(self.ids, dtype=np.uint16, mode="r")
        length = self.setup.length
        places = torch.randint(len(ids) - length, (self.setup.batch,)).tolist()
        x = torch.stack([torch.from_numpy(ids[i : i + length].astype(np.int64)) for i in places])
        y = torch.stack(
            [torch.from_numpy(ids[i + 1 : i + 1 + length].astype(np.int64)) for i in places]
        )
        return x, y

    def step(self) -> Tensor:
        """One iteration; the loss before it."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.setup.rate(self.iteration)
        loss: Tensor = self.model(*self.next_batch)
        self.next_batch = self.get_batch()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.setup.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.iteration += 1
        return loss
