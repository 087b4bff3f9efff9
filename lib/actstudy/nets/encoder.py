"""A Transformer encoder that classifies a passage.

The final states are averaged over its tokens, a linear layer follows.
"""

import torch
from torch import Tensor, nn

from actstudy.nets.transformer import MakeAct, Stack


class Encoder(nn.Module):
    """tokens of shape (B, T), int64, `pad` after a passage's end -> logits (B, classes)."""

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
        pad: int,
    ) -> None:
        super().__init__()
        self.pad = pad
        self.stack = Stack(vocabulary, context, depth, width, heads, False, dropout, make_act)
        self.head = nn.Linear(width, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        present = tokens != self.pad  # (B, T)
        # Padding does not affect the result. With deterministic algorithms a shared padding row
        # would serialise its zero gradients (half of a step), so each position looks up its own.
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        spread = positions % self.stack.token.num_embeddings
        filled = torch.where(present, tokens, spread)
        x = self.stack(filled, mask=present[:, None, None, :])  # (B, T, C)
        weight = present.to(x.dtype).unsqueeze(2)
        return self.head((x * weight).sum(1) / weight.sum(1))
