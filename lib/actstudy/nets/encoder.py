"""A Transformer encoder that classifies a passage: mean of the final states over its tokens, then a linear layer."""

import torch
from torch import Tensor, nn

from actstudy.nets.transformer import MakeAct, Stack, fed_by

PAD = 0


class Encoder(nn.Module):
    """tokens of shape (B, T), int64, PAD where a passage has ended -> logits (B, classes)."""

    auto_init = "xavier"

    def __init__(
        self,
        vocabulary: int,
        context: int,
        classes: int,
        depth: int,
        width: int,
        heads: int,
        dropout: float,
        make_act: MakeAct,
    ) -> None:
        super().__init__()
        self.stack = Stack(vocabulary, context, depth, width, heads, False, dropout, make_act)
        self.head = nn.Linear(width, classes)
        self.fed_by = fed_by(depth, "stack.")

    def forward(self, tokens: Tensor) -> Tensor:
        there = tokens != PAD  # (B, T)
        # What padding looks up counts nowhere, but one row for all of it would add up its zero gradients one by one
        # where sums have a fixed order (strict on a GPU), in half of a step's time: each position looks up its own row.
        spread = (
            torch.arange(tokens.shape[1], device=tokens.device) % self.stack.token.num_embeddings
        )
        x = self.stack(
            torch.where(there, tokens, spread), mask=there[:, None, None, :]
        )  # (B, T, C)
        weight = there.to(x.dtype).unsqueeze(2)
        return self.head((x * weight).sum(1) / weight.sum(1))
