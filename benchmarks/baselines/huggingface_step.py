"""Times a whole pre-training step of ELECTRA built from Hugging Face's PyTorch classes.

    python3.11 -m venv /tmp/hf
    /tmp/hf/bin/pip install 'torch==2.13.0' transformers
    /tmp/hf/bin/python -m benchmarks.baselines.huggingface_step --precision bfloat16

ELECTRA-small: `ElectraForPreTraining` (width 256) with an `ElectraForMaskedLM` of a quarter of the
width and the same depth, embeddings shared, weights at random. A step is masking, generator (its
head on the masked positions only), sampling, discriminator, both losses, gradients, clipping and
AdamW. Hugging Face has no dynamic convolution, so `--layers` must repeat `AF`. The last line of
the output is JSON.
"""

from __future__ import annotations

import torch
import transformers
from torch.nn import functional

from benchmarks.baselines import stepping

MASK_PROBABILITY = 0.15
REPLACE_PROBABILITY = 0.85
DISCRIMINATOR_WEIGHT = 50.0


class Electra(torch.nn.Module):
    """Generator and discriminator with one set of embeddings."""

    def __init__(self, pairs: int, max_seq_length: int, attention: str):
        super().__init__()

        def config(hidden_size: int) -> transformers.ElectraConfig:
            return transformers.ElectraConfig(
                vocab_size=stepping.VOCABULARY_SIZE,
                embedding_size=128,
                hidden_size=hidden_size,
                num_hidden_layers=pairs,
                num_attention_heads=max(1, hidden_size // 64),
                intermediate_size=4 * hidden_size,
                max_position_embeddings=max(512, max_seq_length),
                attn_implementation=attention,
            )

        self.discriminator = transformers.ElectraForPreTraining(config(256))
        self.generator = transformers.ElectraForMaskedLM(config(64))
        self.generator.electra.embeddings = self.discriminator.electra.embeddings
        self.generator.generator_lm_head.weight = (
            self.discriminator.electra.embeddings.word_embeddings.weight
        )

    def forward(self, token_ids: torch.Tensor, segment_ids: torch.Tensor) -> torch.Tensor:
        """Returns the ELECTRA loss of unpadded (batch, length) token ids."""
        inputs = {"attention_mask": torch.ones_like(token_ids), "token_type_ids": segment_ids}
        positions = draw_positions(token_ids)
        original = token_ids.gather(1, positions)
        kept = torch.rand(positions.shape) >= REPLACE_PROBABILITY
        shown = torch.where(kept, original, stepping.MASK_ID)
        masked_ids = token_ids.scatter(1, positions, shown)

        hidden = self.generator.electra(masked_ids, **inputs).last_hidden_state
        hidden = hidden.gather(1, positions.unsqueeze(-1).expand(-1, -1, hidden.shape[-1]))
        logits = self.generator.generator_lm_head(self.generator.generator_predictions(hidden))
        logits = logits.float().flatten(0, 1)
        generator_loss = functional.cross_entropy(logits, original.flatten())

        with torch.no_grad():
            sampled = draw_tokens(logits).view_as(original)
            corrupted_ids = token_ids.scatter(1, positions, sampled)
            replaced = (corrupted_ids != token_ids).float()
        scores = self.discriminator(corrupted_ids, **inputs).logits.float()
        discriminator_loss = functional.binary_cross_entropy_with_logits(scores, replaced)
        return generator_loss + DISCRIMINATOR_WEIGHT * discriminator_loss


def draw_positions(token_ids: torch.Tensor) -> torch.Tensor:
    """Draws 15% of the positions of each row, distinct, never [CLS] or [SEP]."""
    special = (token_ids == stepping.CLS_ID) | (token_ids == stepping.SEP_ID)
    scores = torch.rand(token_ids.shape).masked_fill(special, -1.0)
    count = max(1, round(MASK_PROBABILITY * token_ids.shape[1]))
    return scores.topk(count, dim=1).indices


def draw_tokens(logits: torch.Tensor) -> torch.Tensor:
    """Samples one token a row of (rows, vocabulary) logits by inverting the distribution.

    `torch.multinomial` draws a number a token instead of a row: a sixth of the step on a CPU.
    """
    cumulative = logits.softmax(-1).cumsum(-1)
    threshold = torch.rand(logits.shape[0], 1) * cumulative[:, -1:]
    return torch.searchsorted(cumulative, threshold).clamp_(max=logits.shape[1] - 1)


def optimizer_for(model: torch.nn.Module) -> torch.optim.AdamW:
    """Returns fused AdamW with ELECTRA's settings: no decay on biases and layer norms."""
    decayed = [weight for weight in model.parameters() if weight.ndim > 1]
    others = [weight for weight in model.parameters() if weight.ndim <= 1]
    groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=5e-4, eps=1e-6, weight_decay=0.01, fused=True)


def build_step(flags):
    """Builds model and optimiser and returns a function that runs one training step."""
    torch.manual_seed(0)
    model = Electra(len(flags.layers) // 2, flags.max_seq_length, flags.attention).train()
    optimizer = optimizer_for(model)
    arrays = stepping.random_sentence_pairs(flags.batch_size, flags.max_seq_length)
    batch = [torch.from_numpy(array).long() for array in arrays]
    loss_of = torch.compile(model) if flags.compile else model
    reduced = flags.precision == "bfloat16"

    def step() -> float:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=reduced):
            loss = loss_of(*batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return step


def main() -> None:
    parser = stepping.argument_parser(__doc__.splitlines()[0], stepping.ELECTRA_SMALL)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--attention", choices=("sdpa", "eager"), default="eager")
    parser.add_argument("--compile", action="store_true", help="use torch.compile")
    flags = parser.parse_args()
    if flags.layers != "AF" * (len(flags.layers) // 2):
        parser.error(f"--layers {flags.layers}: only repeated AF")
    timing = stepping.time_steps(build_step(flags), flags.warmup, flags.steps)
    stepping.print_result(
        flags,
        timing,
        framework=f"torch {torch.__version__}, transformers {transformers.__version__}",
        precision=flags.precision,
        attention=flags.attention,
        compiled=flags.compile,
    )


if __name__ == "__main__":
    main()
