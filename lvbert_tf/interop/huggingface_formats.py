"""The classes of transformers that hold our models: ELECTRA's, and those that we bring along."""

from dataclasses import dataclass

DISCRIMINATOR, GENERATOR = "discriminator", "generator"
CLASSIFIER, REGRESSOR, TAGGER, SPAN_PREDICTOR = (
    *("classifier", "regressor"),
    *("tagger", "span_predictor"),
)
# Each kind of model has a directory of its own, of this name, and is of this class.
CLASSES = {
    DISCRIMINATOR: "ForPreTraining",
    GENERATOR: "ForMaskedLM",
    CLASSIFIER: "ForSequenceClassification",
    REGRESSOR: "ForSequenceClassification",
    TAGGER: "ForTokenClassification",
    SPAN_PREDICTOR: "ForQuestionAnswering",
}
TASKS = (CLASSIFIER, REGRESSOR, TAGGER, SPAN_PREDICTOR)


@dataclass(frozen=True)
class Code:
    """PyTorch code that computes our models.

    Args:
        model_type: its name in transformers, and what the names of an encoder's tensors begin with.
        classes: what the names of its classes begin with.
    """

    model_type: str
    classes: str

    def architecture(self, kind: str) -> str:
        """The class that holds a kind of model."""
        return f"{self.classes}{CLASSES[kind]}"


ELECTRA = Code("electra", "Electra")
LV_BERT = Code("lv_bert", "LVBert")
CODES = {code.model_type: code for code in (ELECTRA, LV_BERT)}
