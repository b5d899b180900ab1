"""The layers of an LV-BERT in PyTorch.

Each layer is `LayerNorm(x + dropout(dense(sublayer(x))))`; the letter decides what the sublayer is.
"""

import torch
import torch.nn.functional as F
from torch import nn


class LVBertEmbeddings(nn.Module):
    """The sum of word, segment and position embeddings, then LayerNorm and dropout."""

    def __init__(self, config):
        super().__init__()
        width = config.embedding_size
        self.word_embeddings = nn.Embedding(config.vocab_size, width)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, width)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, width)
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, words, token_type_ids, position_ids):
        """Takes `words` of shape (batch, length, width), and integers of shape (batch, length)."""
        x = words + self.token_type_embeddings(token_type_ids)
        return self.dropout(self.LayerNorm(x + self.position_embeddings(position_ids)))


class LVBertSelfAttention(nn.Module):
    """Multi-head self-attention, A. The scores of padding are lowered by 10000."""

    def __init__(self, config):
        super().__init__()
        width = config.hidden_size
        self.num_heads = config.num_attention_heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.rate = config.attention_probs_dropout_prob
        self.output_size = width

    def forward(self, x, mask):
        def heads(part):
            return part(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

        context = F.scaled_dot_product_attention(
            *map(heads, (self.query, self.key, self.value)),
            attn_mask=((1.0 - mask) * -10000.0)[:, None, None],
            dropout_p=self.rate if self.training else 0.0,
        )
        return context.transpose(1, 2).flatten(2)


class LVBertDynamicConvolution(nn.Module):
    """Dynamic convolution, C: each position computes the taps with which it averages its window."""

    def __init__(self, config):
        super().__init__()
        width, taps = config.hidden_size, config.kernel_size
        self.num_heads, self.kernel_size = config.num_attention_heads, taps
        self.mask_padding = config.mask_convolution_padding
        self.value = nn.Linear(width, width)
        self.gate = nn.Linear(width, width)
        self.depthwise = nn.Conv1d(width, width, taps, padding=taps // 2, groups=width, bias=False)
        self.pointwise = nn.Linear(width, width)
        self.taps = nn.Linear(width, self.num_heads * taps)
        self.output_size = width

    def forward(self, x, mask):
        value = self.value(x) * torch.sigmoid(self.gate(x))
        if self.mask_padding:
            value = value * mask[..., None]
        around = self.depthwise(value.transpose(1, 2)).transpose(1, 2)
        taps = self.taps(self.pointwise(around)).unflatten(-1, (self.num_heads, self.kernel_size))
        reach = self.kernel_size // 2
        windows = F.pad(value, (0, 0, reach, reach)).unflatten(-1, (self.num_heads, -1))
        windows = windows.unfold(1, self.kernel_size, 1)  # (batch, length, heads, head size, taps)
        return torch.einsum("blhdk,blhk->blhd", windows, taps.softmax(-1)).flatten(2)


class LVBertFeedForward(nn.Module):
    """The first half of a feed-forward layer, F; the dense layer of the block is the second half."""

    def __init__(self, config):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.intermediate_size)
        self.output_size = config.intermediate_size

    def forward(self, x, mask):
        return F.gelu(self.dense(x))


LAYER_TYPES = {"A": LVBertSelfAttention, "C": LVBertDynamicConvolution, "F": LVBertFeedForward}


class LVBertBlock(nn.Module):
    """A layer of the string with its residual connection."""

    def __init__(self, config, letter):
        super().__init__()
        self.sublayer = LAYER_TYPES[letter](config)
        self.output = nn.Linear(self.sublayer.output_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, x, mask):
        return self.LayerNorm(x + self.dropout(self.output(self.sublayer(x, mask))))
