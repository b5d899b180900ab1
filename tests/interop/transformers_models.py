"""Models of Hugging Face's transformers: makes tiny ones, and computes outputs of those it is given.

Not a test: it runs where torch and transformers are installed, and tests start it.

  python transformers_models.py make DIR VOCABULARY SEED [WIDTH]
  python transformers_models.py make_tasks DIR VOCABULARY SEED [LAYER_STRING]
  python transformers_models.py logits DIR
  python transformers_models.py check DIR

`make` writes DIR/discriminator/, DIR/generator/ and DIR/inputs.npz; `make_tasks` DIR/classifier/,
DIR/regressor/, DIR/tagger/, DIR/span_predictor/ and DIR/inputs.npz, of ELECTRA, or with our code of an
LV-BERT; these and `logits` compute DIR/logits.npz. The models in tests/fixtures/huggingface/ and
huggingface_tasks/ are those of seed 0, from tests/fixtures/tiny/vocab.txt; those in huggingface_lv_bert/
have the layers CAF. `check` tests what our PyTorch code promises.
"""

import importlib
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers

CODE = Path(__file__).parents[2] / "lvbert_tf" / "interop" / "huggingface_code"
CLASSES = {
    "discriminator": "ForPreTraining",
    "generator": "ForMaskedLM",
    "classifier": "ForSequenceClassification",
    "regressor": "ForSequenceClassification",
    "tagger": "ForTokenClassification",
    "span_predictor": "ForQuestionAnswering",
}
HEADS = {
    "classifier": {"id2label": {0: "no", 1: "yes", 2: "maybe"}, "classifier_dropout": 0.2},
    "regressor": {"num_labels": 1, "problem_type": "regression"},
    "tagger": {"id2label": {0: "O", 1: "B-ü"}},
    "span_predictor": {},
}
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
        randomize(model)
    shared = discriminator.electra.embeddings.state_dict()
    generator.electra.embeddings.load_state_dict(shared)
    for model, name in ((discriminator, "discriminator"), (generator, "generator")):
        model.save_pretrained(directory / name)
        tokenizer.save_pretrained(directory / name)
    write_inputs(directory, seed, discriminator.config.vocab_size)


def make_tasks(directory: Path, vocabulary: Path, seed: int, layers: str | None) -> None:
    """Writes a fine-tuned model of each kind with random weights."""
    torch.manual_seed(seed)
    tokenizer = transformers.ElectraTokenizer(vocab=str(vocabulary), do_lower_case=True)
    size = {
        "vocab_size": len(tokenizer),
        "embedding_size": 8,
        "hidden_size": 16,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": LENGTH,
    }
    if layers is None:
        code, config_class, own = transformers, transformers.ElectraConfig, {"num_hidden_layers": 1}
    else:
        sys.path.insert(0, str(CODE.parent))
        code = importlib.import_module(f"{CODE.name}.modeling_lv_bert")
        config_class, own = code.LVBertConfig, {"layer_string": layers}
        config_class.register_for_auto_class()
    for kind, head in HEADS.items():
        if layers and kind == "span_predictor":
            head = {"span_beam_size": 3, "span_no_answer": "likely_starts"}
        if layers and kind == "classifier":
            head = {**head, "classifier_hidden_layer": True}
        name = f"{'LVBert' if layers else 'Electra'}{CLASSES[kind]}"
        model_class = getattr(code, name)
        if layers:
            model_class.register_for_auto_class(f"AutoModel{CLASSES[kind]}")
        model = randomize(model_class(config_class(**size, **own, **head)))
        model.save_pretrained(directory / kind)
        tokenizer.save_pretrained(directory / kind)
    write_inputs(directory, seed, len(tokenizer))


def randomize(model: torch.nn.Module) -> torch.nn.Module:
    """Gives every parameter normal values, so that a forgotten one shows."""
    for name, parameter in model.named_parameters():
        mean = 1.0 if name.endswith("LayerNorm.weight") else 0.0
        torch.nn.init.normal_(parameter, mean, 0.3)
    return model


def write_inputs(directory: Path, seed: int, tokens: int) -> None:
    """Three sequences of different lengths."""
    random = np.random.default_rng(seed)
    lengths = np.array([[LENGTH], [9], [5]])
    real = np.arange(LENGTH)[None] < lengths
    ids = np.where(real, random.integers(5, tokens, real.shape), 0)
    segments = np.where(real & (np.arange(LENGTH)[None] >= 4), 1, 0)
    np.savez(
        directory / "inputs.npz",
        token_ids=ids.astype(np.int32),
        segment_ids=segments.astype(np.int32),
        padding_mask=real.astype(np.int32),
    )


def read_inputs(directory: Path) -> dict[str, torch.Tensor]:
    """The same as transformers names them."""
    arrays = np.load(directory / "inputs.npz")
    return {
        theirs: torch.tensor(arrays[ours], dtype=torch.long)
        for theirs, ours in (
            ("input_ids", "token_ids"),
            ("token_type_ids", "segment_ids"),
            ("attention_mask", "padding_mask"),
        )
    }


def load(directory: Path, kind: str, **options) -> transformers.PreTrainedModel:
    """Loads a model as any user would; every tensor must find its place."""
    model_type = json.loads((directory / "config.json").read_text())["model_type"]
    if model_type == "electra":
        model_class = getattr(transformers, f"Electra{CLASSES[kind]}")
    else:
        model_class = getattr(transformers, f"AutoModel{CLASSES[kind]}")
        options["trust_remote_code"] = True
    model, found = model_class.from_pretrained(directory, output_loading_info=True, **options)
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if found[what]:
            sys.exit(f"{directory}: {what}: {found[what]}")
    return model.eval()


def outputs_of(model: transformers.PreTrainedModel, inputs) -> dict[str, torch.Tensor]:
    """All tensors that a model gives."""
    with torch.no_grad():
        return {name: value for name, value in model(**inputs).items() if torch.is_tensor(value)}


def compute_logits(directory: Path) -> None:
    """Runs the models of a directory on its inputs.

    In float64: their own rounding in float32, up to 1.2e-5 in these random models, is of the size of
    the difference that the tests allow us.
    """
    inputs = read_inputs(directory)
    logits = {}
    for name in CLASSES:
        if not (directory / name).exists():
            continue
        model = load(directory / name, name, dtype=torch.float64)
        for output, value in outputs_of(model, inputs).items():
            if value.is_floating_point():
                value = value.float()
            logits[name if output == "logits" else f"{name}_{output}"] = value.numpy()
        logits[f"{name}_labels"] = np.array(list(model.config.id2label.values()))
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            directory / name, trust_remote_code=True
        )
        logits[f"{name}_token_ids"] = tokenizer("tok1 TOK20, sea [MASK]")["input_ids"]
        if len(tokenizer) != len(set(tokenizer.get_vocab().values())):
            sys.exit(f"{name}: the tokenizer added tokens")
    np.savez(directory / "logits.npz", **logits)


def check(directory: Path) -> None:
    """What our PyTorch code promises beyond its figures; ends with a message where it does not hold."""
    inputs = read_inputs(directory)
    for kind in CLASSES:
        if (directory / kind).exists():
            check_model(directory / kind, kind, inputs)


def check_model(directory: Path, kind: str, inputs: dict[str, torch.Tensor]) -> None:
    """Of one model: padding, batches, no mask, saving, gradients, dropout, other precisions."""
    model = load(directory, kind)
    whole = outputs_of(model, inputs)

    def same(some, rows, length, what):
        for name, value in some.items():
            expected = whole[name][rows]
            if kind == "span_predictor" and name.endswith(("starts", "ends", "_scores")):
                continue  # k of them, and more candidates where there is more padding
            if expected.ndim > 1 and expected.shape[1] == LENGTH:
                value, expected = value[:, :length], expected[:, :length]
            assert torch.allclose(value, expected, rtol=0, atol=1e-5), f"{kind}: {name}: {what}"

    for row, length in ((1, 9), (2, 5)):
        alone = {name: value[row : row + 1] for name, value in inputs.items()}
        cut = {name: value[:, :length] for name, value in alone.items()}
        same(outputs_of(model, alone), [row], length, "depends on the batch")
        same(outputs_of(model, cut), [row], length, "depends on padding")
        del cut["attention_mask"]
        same(outputs_of(model, cut), [row], length, "without a mask")

    with tempfile.TemporaryDirectory() as copy:
        model.save_pretrained(copy)
        for name, value in outputs_of(load(Path(copy), kind), inputs).items():
            assert torch.equal(value, whole[name]), f"{kind}: {name} after save_pretrained"
        encoder = transformers.AutoModel.from_pretrained(copy, trust_remote_code=True).eval()
    with torch.no_grad():
        states = encoder(**inputs, output_hidden_states=True)
        again = model.lv_bert(**inputs).last_hidden_state
    assert len(states.hidden_states) == len(model.config.layer_string) + 1
    assert torch.equal(states.last_hidden_state, again)
    assert torch.equal(states.hidden_states[-1], again)

    labels = {"labels": torch.zeros(3, LENGTH, dtype=torch.long)}
    if kind in ("classifier", "regressor"):
        labels = {"labels": torch.zeros(3, dtype=torch.long)}
    elif kind == "span_predictor":
        labels = {
            "start_positions": torch.tensor([4, 5, 0]),
            "end_positions": torch.tensor([6, 5, 0]),
        }
    model.train()
    losses = [model(**inputs, **labels).loss for _ in range(2)]
    assert losses[0] != losses[1], f"{kind}: no dropout in training"
    losses[0].backward()
    unused = [name for name, weight in model.named_parameters() if weight.grad is None]
    assert not unused, f"{kind}: no gradient of {unused}"
    assert all(weight.grad.isfinite().all() for weight in model.parameters())
    tied = load(directory, kind, dtype=torch.bfloat16)
    for value in outputs_of(tied, inputs).values():
        assert value.float().isfinite().all(), f"{kind}: bfloat16"
    if kind == "generator":
        assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
        model.resize_token_embeddings(model.config.vocab_size + 3)
        assert outputs_of(model.eval(), inputs)["logits"].shape[-1] == model.config.vocab_size


if __name__ == "__main__":
    command, target = sys.argv[1], Path(sys.argv[2])
    if command == "make":
        make(target, Path(sys.argv[3]), int(sys.argv[4]), int([*sys.argv, "16"][5]))
    elif command == "make_tasks":
        make_tasks(target, Path(sys.argv[3]), int(sys.argv[4]), [*sys.argv, None][5])
    if command == "check":
        check(target)
    else:
        compute_logits(target)
