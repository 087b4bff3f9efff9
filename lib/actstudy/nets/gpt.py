"""A small GPT: a causal Transformer that predicts the next token, embeddings tied."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from actstudy.nets.transformer import MakeAct, Stack


class Head(NamedTuple):
    """Logits still to compute: of features (B, T, C), by a weight (vocabulary, C)."""

    features: Tensor
    weight: Tensor


class GPT(nn.Module):
    """tokens of shape (B, T), int64 -> logits (B, T, vocabulary) of the token after each.

    With `kernels.use` compiled code gets a `Head` instead, whose loss needs no logits in memory.
    """

    auto_init = "xavier"

    def __init__(
        self,
        vocabulary: int,
        context: int,
        depth: int,
        width: int,
        heads: int,
        dropout: float,
        make_act: MakeAct,
    ) -> None:
        super().__init__()
        self.uses_kernels = False
        self.stack = Stack(vocabulary, context, depth, width, heads, True, dropout, make_act)

    def forward(self, tokens: Tensor) -> Tensor | Head:
        head = Head(self.stack(tokens), self.stack.token.weight)
        if self.uses_kernels and torch.compiler.is_compiling():
            return head
        return functional.linear(*head)
