"""The pre-norm Transformer block that encoder and GPT share.

The activation acts in its feed-forward part only.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from actstudy.nets import kernels

MakeAct = Callable[..., nn.Module]
SITES = ("blocks.{index}",)  # one per block; study files are checked against them


class Attention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017, arXiv:1706.03762): (B, T, C) -> (B, T, C)."""

    def __init__(self, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.heads = heads
        self.causal = causal
        self.uses_kernels = False
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        B, T, C = x.shape  # noqa: N806
        qkv = self.qkv(x)
        if self.uses_kernels and torch.compiler.is_compiling() and kernels.fits(qkv, self.heads):
            return self.out(kernels.attention(qkv, self.heads))
        packed = qkv.view(B, T, 3, self.heads, C // self.heads)
        q, k, v = packed.permute(2, 0, 3, 1, 4)  # each (B, heads, T, C / heads)
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=self.causal)
        return self.out(y.transpose(1, 2).reshape(B, T, C))


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x)): (B, T, C) -> (B, T, C).

    The feed-forward part has 4 C hidden units, or as many as give it the same number of parameters
    if the activation takes or gives several values per unit.
    """

    branch_ends = ("attention.out.weight", "down.weight")

    def __init__(
        self, width: int, heads: int, causal: bool, dropout: float, act: nn.Module
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads, causal)
        self.norm2 = nn.LayerNorm(width)
        takes = getattr(act, "takes", 1)
        gives = getattr(act, "gives", 1)
        hidden = hidden_units(width, takes, gives)
        self.up = nn.Linear(width, takes * hidden)
        self.act = act
        self.down = nn.Linear(gives * hidden, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = x + self.drop(self.attention(self.norm1(x), mask))
        return x + self.drop(self.down(self.act(self.up(self.norm2(x)))))


def hidden_units(width: int, takes: int, gives: int) -> int:
    """Hidden units H that make a feed-forward part as large as one of 4 C, to the nearest unit.

    Of each unit the activation takes some values and gives some, so that with its biases the part
    has takes H (C + 1) + (gives H + 1) C parameters. C: width.
    """
    return round(4 * width * (2 * width + 1) / (takes * (width + 1) + gives * width))


class Stack(nn.Module):
    """Token and learned position embeddings, `depth` blocks, a final norm.

    tokens (B, T) int64 -> (B, T, C).
    """

    def __init__(
        self,
        vocabulary: int,
        context: int,
        depth: int,
        width: int,
        heads: int,
        causal: bool,
        dropout: float,
        make_act: MakeAct,
    ) -> None:
        super().__init__()
        self.token = nn.Embedding(vocabulary, width)
        self.position = nn.Embedding(context, width)
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            Block(width, heads, causal, dropout, make_act(f"blocks.{index}", 4 * width))
            for index in range(depth)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        # Unscaled, the blocks' output drowns small tied embeddings (Vaswani et al., 3.4).
        scale = math.sqrt(self.token.embedding_dim)
        x = self.drop(self.token(tokens) * scale + self.position.weight[: tokens.shape[1]])
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x)
