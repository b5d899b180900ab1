"""LV-BERT in PyTorch: an encoder whose layers are a string over C, A and F (Yu et al., 2021).

It needs only torch and transformers, and computes what the Keras models of lvbert_tf compute. Models
with a head also take the arguments `position_ids`, `inputs_embeds` and `output_hidden_states`.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import (
    BaseModelOutput,
    MaskedLMOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)
from transformers.utils import ModelOutput

from .configuration_lv_bert import LVBertConfig
from .layers_lv_bert import LVBertBlock, LVBertEmbeddings
from .span_head_lv_bert import LVBertSpanHead, answer_mask


class LVBertPreTrainedModel(PreTrainedModel):
    """The base class of all models."""

    config_class = LVBertConfig
    base_model_prefix = "lv_bert"
    supports_gradient_checkpointing = False
    _no_split_modules = ["LVBertBlock"]  # noqa: RUF012 - transformers wants a list

    def _init_weights(self, module):
        if isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, (nn.Linear, nn.Embedding, nn.Conv1d)):
            deviation = self.config.initializer_range
            if isinstance(module, nn.Conv1d):
                deviation = 1.0 / self.config.kernel_size
            nn.init.trunc_normal_(module.weight, 0.0, deviation, -2 * deviation, 2 * deviation)
            if getattr(module, "bias", None) is not None:
                nn.init.zeros_(module.bias)

    def finish(self, output, return_dict):
        """Makes the output a tuple if the caller or the configuration asks for one."""
        if return_dict is None:
            return_dict = getattr(self.config, "return_dict", True)
        return output if return_dict else output.to_tuple()


class LVBertModel(LVBertPreTrainedModel):
    """The encoder. `last_hidden_state` has shape (batch, length, hidden size)."""

    def __init__(self, config):
        super().__init__(config)
        self.embeddings = LVBertEmbeddings(config)
        self.embeddings_project = (
            nn.Linear(config.embedding_size, config.hidden_size)
            if config.embedding_size != config.hidden_size
            else None
        )
        self.layers = nn.ModuleList(LVBertBlock(config, letter) for letter in config.layer_string)
        self.post_init()

    def get_input_embeddings(self):
        return self.embeddings.word_embeddings

    def set_input_embeddings(self, value):
        self.embeddings.word_embeddings = value

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        token_type_ids=None,
        position_ids=None,
        inputs_embeds=None,
        output_hidden_states=None,
        return_dict=None,
        **options,
    ):
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give input_ids or inputs_embeds, and not both")
        if inputs_embeds is None:
            inputs_embeds = self.embeddings.word_embeddings(input_ids)
        shape, device = inputs_embeds.shape[:2], inputs_embeds.device
        if attention_mask is None:
            attention_mask = torch.ones(shape, device=device)
        if token_type_ids is None:
            token_type_ids = torch.zeros(shape, dtype=torch.long, device=device)
        if position_ids is None:
            position_ids = torch.arange(shape[1], device=device)[None]
        mask = attention_mask.to(inputs_embeds.dtype)
        x = self.embeddings(inputs_embeds, token_type_ids, position_ids)
        if self.embeddings_project is not None:
            x = self.embeddings_project(x)
        states = [x]
        for layer in self.layers:
            states.append(layer(states[-1], mask))
        if output_hidden_states is None:
            output_hidden_states = getattr(self.config, "output_hidden_states", False)
        kept = tuple(states) if output_hidden_states else None
        output = BaseModelOutput(last_hidden_state=states[-1], hidden_states=kept)
        return self.finish(output, return_dict)


@dataclass
class LVBertForPreTrainingOutput(ModelOutput):
    """`logits` of shape (batch, length) are positive where a token seems replaced."""

    loss: torch.FloatTensor | None = None
    logits: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None


class LVBertReplacedTokenHead(nn.Module):
    """Computes one logit for each token."""

    def __init__(self, config):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.dense_prediction = nn.Linear(config.hidden_size, 1)

    def forward(self, x):
        return self.dense_prediction(F.gelu(self.dense(x))).squeeze(-1)


class LVBertForPreTraining(LVBertPreTrainedModel):
    """The discriminator of ELECTRA's pre-training. `labels` are 1 at replaced tokens."""

    def __init__(self, config):
        super().__init__(config)
        self.lv_bert = LVBertModel(config)
        self.discriminator_predictions = LVBertReplacedTokenHead(config)
        self.post_init()

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        token_type_ids=None,
        labels=None,
        return_dict=None,
        **inputs,
    ):
        encoded = self.lv_bert(
            input_ids, attention_mask, token_type_ids, return_dict=True, **inputs
        )
        logits = self.discriminator_predictions(encoded.last_hidden_state)
        loss = None
        if labels is not None:
            real = torch.ones_like(logits) if attention_mask is None else attention_mask
            weight = real.to(logits.dtype)
            losses = F.binary_cross_entropy_with_logits(
                logits, labels.to(logits.dtype), weight, reduction="sum"
            )
            loss = losses / weight.sum()
        output = LVBertForPreTrainingOutput(loss, logits, encoded.hidden_states)
        return self.finish(output, return_dict)


class LVBertMaskedLMHead(nn.Module):
    """Computes the vectors whose products with the word embeddings are the logits."""

    def __init__(self, config):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.embedding_size)
        self.LayerNorm = nn.LayerNorm(config.embedding_size, eps=config.layer_norm_eps)

    def forward(self, x):
        return self.LayerNorm(F.gelu(self.dense(x)))


class LVBertForMaskedLM(LVBertPreTrainedModel):
    """The generator of ELECTRA's pre-training. `labels` are -100 at tokens without a loss."""

    _tied_weights_keys = {  # noqa: RUF012 - transformers wants a dict
        "generator_lm_head.weight": "lv_bert.embeddings.word_embeddings.weight"
    }

    def __init__(self, config):
        super().__init__(config)
        self.lv_bert = LVBertModel(config)
        self.generator_predictions = LVBertMaskedLMHead(config)
        self.generator_lm_head = nn.Linear(config.embedding_size, config.vocab_size)
        self.post_init()

    def get_output_embeddings(self):
        return self.generator_lm_head

    def set_output_embeddings(self, value):
        self.generator_lm_head = value

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        token_type_ids=None,
        labels=None,
        return_dict=None,
        **inputs,
    ):
        encoded = self.lv_bert(
            input_ids, attention_mask, token_type_ids, return_dict=True, **inputs
        )
        logits = self.generator_lm_head(self.generator_predictions(encoded.last_hidden_state))
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten())
        output = MaskedLMOutput(loss, logits, encoded.hidden_states)
        return self.finish(output, return_dict)


class LVBertClassificationHead(nn.Module):
    """Computes logits from the first vector, with dropout and perhaps ELECTRA's hidden layer."""

    def __init__(self, config):
        super().__init__()
        width = config.hidden_size
        self.dense = nn.Linear(width, width) if config.classifier_hidden_layer else None
        self.dropout = nn.Dropout(config.classifier_rate)
        self.out_proj = nn.Linear(width, config.num_labels)

    def forward(self, x):
        x = self.dropout(x[:, 0])
        if self.dense is not None:
            x = self.dropout(F.gelu(self.dense(x)))
        return self.out_proj(x)


class LVBertForSequenceClassification(LVBertPreTrainedModel):
    """A classifier of texts; with `num_labels` 1 a regressor."""

    def __init__(self, config):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.lv_bert = LVBertModel(config)
        self.classifier = LVBertClassificationHead(config)
        self.post_init()

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        token_type_ids=None,
        labels=None,
        return_dict=None,
        **inputs,
    ):
        encoded = self.lv_bert(
            input_ids, attention_mask, token_type_ids, return_dict=True, **inputs
        )
        logits = self.classifier(encoded.last_hidden_state)
        loss = None
        if labels is not None and self.num_labels == 1:
            loss = F.mse_loss(logits.squeeze(-1), labels.to(logits.dtype).flatten())
        elif labels is not None:
            loss = F.cross_entropy(logits, labels)
        output = SequenceClassifierOutput(loss, logits, encoded.hidden_states)
        return self.finish(output, return_dict)


class LVBertForTokenClassification(LVBertPreTrainedModel):
    """A tagger of tokens. `labels` are -100 at tokens without a tag."""

    def __init__(self, config):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.lv_bert = LVBertModel(config)
        self.dropout = nn.Dropout(config.classifier_rate)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        token_type_ids=None,
        labels=None,
        return_dict=None,
        **inputs,
    ):
        encoded = self.lv_bert(
            input_ids, attention_mask, token_type_ids, return_dict=True, **inputs
        )
        logits = self.classifier(self.dropout(encoded.last_hidden_state))
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten())
        output = TokenClassifierOutput(loss, logits, encoded.hidden_states)
        return self.finish(output, return_dict)


@dataclass
class LVBertForQuestionAnsweringOutput(ModelOutput):
    """The logits of starts and ends, and the best spans.

    `start_logits` and `end_logits`, (batch, length), are lowered by 1000 outside the second segment. If
    ends depend on the start, it is that of `start_positions`, or the likeliest one. `no_answer_score`,
    (batch,), exists unless `span_no_answer` is None. Without `start_positions` there are also the best k
    `starts` with `start_scores`, (batch, k), and for each start the best k `ends` with `end_scores`,
    (batch, k, k).
    """

    loss: torch.FloatTensor | None = None
    start_logits: torch.FloatTensor | None = None
    end_logits: torch.FloatTensor | None = None
    no_answer_score: torch.FloatTensor | None = None
    starts: torch.LongTensor | None = None
    start_scores: torch.FloatTensor | None = None
    ends: torch.LongTensor | None = None
    end_scores: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None


class LVBertForQuestionAnswering(LVBertPreTrainedModel):
    """A finder of answers in the second segment. In training, position 0 means "no answer"."""

    def __init__(self, config):
        super().__init__(config)
        self.lv_bert = LVBertModel(config)
        self.span_head = LVBertSpanHead(config)
        self.post_init()

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        token_type_ids=None,
        start_positions=None,
        end_positions=None,
        return_dict=None,
        **inputs,
    ):
        if token_type_ids is None:
            raise ValueError("token_type_ids are needed: answers are in the second segment")
        encoded = self.lv_bert(
            input_ids, attention_mask, token_type_ids, return_dict=True, **inputs
        )
        mask = answer_mask(token_type_ids, attention_mask)
        spans = self.span_head(encoded.last_hidden_state, mask, start_positions)
        loss = None
        if start_positions is not None and end_positions is not None:
            loss = self.span_head.loss(spans, start_positions, end_positions)
        output = LVBertForQuestionAnsweringOutput(
            loss=loss, hidden_states=encoded.hidden_states, **spans
        )
        return self.finish(output, return_dict)
