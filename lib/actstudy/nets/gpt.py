"""A small GPT: a causal Transformer that predicts the next token, embeddings tied."""

from torch import Tensor, nn
from torch.nn import functional

from actstudy.nets.transformer import MakeAct, Stack


class GPT(nn.Module):
    """tokens of shape (B, T), int64 -> logits (B, T, vocabulary) of the token after each."""

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
        self.stack = Stack(vocabulary, context, depth, width, heads, True, dropout, make_act)

    def forward(self, tokens: Tensor) -> Tensor:
        return functional.linear(self.stack(tokens), self.stack.token.weight)
