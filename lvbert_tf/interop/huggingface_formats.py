"""The classes of transformers that can hold our models: those of ELECTRA, and our own ones."""

from dataclasses import dataclass

DISCRIMINATOR, GENERATOR = "discriminator", "generator"
CLASSIFIER, REGRESSOR, TAGGER, SPAN_PREDICTOR = (
    *("classifier", "regressor"),
    *("tagger", "span_predictor"),
)
# For each kind of model, which is also the name of its directory, the end of its class's name.
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
        model_type: the name of the code in transformers. An encoder's tensors have names that begin with
            it.
        classes: the beginning of the names of its classes.
    """

    model_type: str
    classes: str

    def architecture(self, kind: str) -> str:
        """The name of the class that holds a kind of model."""
        return f"{self.classes}{CLASSES[kind]}"


ELECTRA = Code("electra", "Electra")
LV_BERT = Code("lv_bert", "LVBert")
CODES = {code.model_type: code for code in (ELECTRA, LV_BERT)}
