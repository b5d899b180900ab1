"""Models of Hugging Face's transformers: makes tiny ones, and computes logits of those it is given.

Not a test: it runs where torch and transformers are installed, and tests start it.

  python transformers_models.py make DIR VOCABULARY SEED [WIDTH]
  python transformers_models.py logits DIR

`make` writes DIR/discriminator/, DIR/generator/ and DIR/inputs.npz; both compute DIR/logits.npz. The
models in tests/fixtures/huggingface/ are those of seed 0, from tests/fixtures/tiny/vocab.txt.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import transformers

LENGTH = 12


def make(directory: Path, vocabulary: Path, seed: int, embedding_size: int) -> None:
    """Writes a discriminator and a generator with random weights that share their embeddings."""
    torch.manual_seed(seed)
    tokenizer = transformers.ElectraTokenizer(vocab=str(vocabulary), do_lower_case=True)

    def config(hidden_size: int, heads: int) -> transformers.ElectraConfig:
        return transformers.ElectraConfig(
            vocab_size=len(vocabulary.read_text(encoding="utf-8").splitlines()),
            embedding_size=embedding_size,
            hidden_size=hidden_size,
            num_hidden_layers=2,
            num_attention_heads=heads,
            intermediate_size=4 * hidden_size,
            max_position_embeddings=LENGTH,
        )

    discriminator = transformers.ElectraForPreTraining(config(32, 4))
    generator = transformers.ElectraForMaskedLM(config(16, 1))
    for model in (discriminator, generator):
        for name, parameter in model.named_parameters():
            mean = 1.0 if name.endswith("LayerNorm.weight") else 0.0
            torch.nn.init.normal_(parameter, mean, 0.3)
    shared = discriminator.electra.embeddings.state_dict()
    generator.electra.embeddings.load_state_dict(shared)
    for model, name in ((discriminator, "discriminator"), (generator, "generator")):
        model.save_pretrained(directory / name)
        tokenizer.save_pretrained(directory / name)
    random = np.random.default_rng(seed)
    lengths = np.array([[LENGTH], [9], [5]])
    real = np.arange(LENGTH)[None] < lengths
    ids = np.where(real, random.integers(5, discriminator.config.vocab_size, real.shape), 0)
    segments = np.where(real & (np.arange(LENGTH)[None] >= 4), 1, 0)
    np.savez(
        directory / "inputs.npz",
        token_ids=ids.astype(np.int32),
        segment_ids=segments.astype(np.int32),
        padding_mask=real.astype(np.int32),
    )


def compute_logits(directory: Path) -> None:
    """Runs the models of a directory, loaded as any user would, on its inputs."""
    arrays = np.load(directory / "inputs.npz")
    inputs = {
        theirs: torch.tensor(arrays[ours], dtype=torch.long)
        for theirs, ours in (
            ("input_ids", "token_ids"),
            ("token_type_ids", "segment_ids"),
            ("attention_mask", "padding_mask"),
        )
    }
    logits = {}
    for name, kind in (
        ("discriminator", transformers.ElectraForPreTraining),
        ("generator", transformers.ElectraForMaskedLM),
    ):
        if not (directory / name).exists():
            continue
        model, found = kind.from_pretrained(directory / name, output_loading_info=True)
        for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            if found[what]:
                sys.exit(f"{name}: {what}: {found[what]}")
        with torch.no_grad():
            logits[name] = model.eval()(**inputs).logits.numpy()
        tokenizer = transformers.AutoTokenizer.from_pretrained(directory / name)
        logits[f"{name}_token_ids"] = tokenizer("tok1 TOK20, sea [MASK]")["input_ids"]
        if len(tokenizer) != len(set(tokenizer.get_vocab().values())):
            sys.exit(f"{name}: the tokenizer added tokens")
    np.savez(directory / "logits.npz", **logits)


if __name__ == "__main__":
    target = Path(sys.argv[2])
    if sys.argv[1] == "make":
        make(target, Path(sys.argv[3]), int(sys.argv[4]), int([*sys.argv, "16"][5]))
    compute_logits(target)
