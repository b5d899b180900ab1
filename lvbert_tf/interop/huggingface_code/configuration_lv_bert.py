"""The configuration of an LV-BERT in transformers."""

from transformers import PretrainedConfig


class LVBertConfig(PretrainedConfig):
    """The shape of an encoder whose layers are a string, and of the heads on it.

    Args:
        vocab_size: the number of word embeddings.
        layer_string: one letter for each layer: C dynamic convolution, A self-attention, F feed-forward.
        embedding_size: the width of the embeddings. A projection follows if it is not `hidden_size`.
        hidden_size: the width of the layers.
        num_attention_heads: the heads of attention and of convolution.
        intermediate_size: the inner width of F.
        hidden_dropout_prob: the dropout rate of the embeddings and of each layer's output.
        attention_probs_dropout_prob: the dropout rate of the attention probabilities.
        max_position_embeddings: the longest sequence, in tokens.
        type_vocab_size: the number of segments.
        initializer_range: the standard deviation of the truncated normal initialiser.
        layer_norm_eps: the number that LayerNorm adds to the variance.
        kernel_size: the number of taps of the convolution.
        mask_convolution_padding: whether padding is zero to the convolution, so that a result does not
            depend on how much padding follows. The authors' checkpoints need False.
        classifier_dropout: the dropout rate before a classifier; None means `hidden_dropout_prob`.
        classifier_hidden_layer: whether a text classifier has a dense layer with GELU before its last.
        span_joint: whether the end of an answer depends on its start.
        span_beam_size: how many starts, and how many ends for each start, are found.
        span_no_answer: how the model tells that there is no answer: "likely_starts", "first_vector" or
            "span"; None if there always is an answer.
        span_answerable_weight: the weight of the loss of the classifier for `span_no_answer`.
    """

    model_type = "lv_bert"

    def __init__(
        self,
        vocab_size=30522,
        layer_string="CCAFFACFFACCAFCFACFCAAFA",
        embedding_size=128,
        hidden_size=256,
        num_attention_heads=4,
        intermediate_size=1024,
        hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.1,
        max_position_embeddings=512,
        type_vocab_size=2,
        initializer_range=0.02,
        layer_norm_eps=1e-12,
        kernel_size=9,
        mask_convolution_padding=True,
        classifier_dropout=None,
        classifier_hidden_layer=False,
        span_joint=True,
        span_beam_size=20,
        span_no_answer=None,
        span_answerable_weight=0.5,
        pad_token_id=0,
        **kwargs,
    ):
        if set(layer_string) - set("CAF") or not layer_string:
            raise ValueError(f"layer_string {layer_string!r} is not made of C, A and F")
        if hidden_size % num_attention_heads:
            raise ValueError(
                f"hidden_size {hidden_size} is not a multiple of num_attention_heads"
                f" {num_attention_heads}"
            )
        self.vocab_size = vocab_size
        self.layer_string = layer_string
        self.embedding_size = embedding_size
        self.hidden_size = hidden_size
        self.num_attention_heads = num_attention_heads
        self.intermediate_size = intermediate_size
        self.hidden_dropout_prob = hidden_dropout_prob
        self.attention_probs_dropout_prob = attention_probs_dropout_prob
        self.max_position_embeddings = max_position_embeddings
        self.type_vocab_size = type_vocab_size
        self.initializer_range = initializer_range
        self.layer_norm_eps = layer_norm_eps
        self.kernel_size = kernel_size
        self.mask_convolution_padding = mask_convolution_padding
        self.classifier_dropout = classifier_dropout
        self.classifier_hidden_layer = classifier_hidden_layer
        self.span_joint = span_joint
        self.span_beam_size = span_beam_size
        self.span_no_answer = span_no_answer
        self.span_answerable_weight = span_answerable_weight
        kwargs.pop("num_hidden_layers", None)
        self.num_hidden_layers = len(layer_string)
        super().__init__(pad_token_id=pad_token_id, **kwargs)

    @property
    def classifier_rate(self):
        """The dropout rate before a classifier."""
        given = self.classifier_dropout
        return self.hidden_dropout_prob if given is None else given
