"""The names of formats and code bases on the command line, without TensorFlow."""

FORMATS = ("reference", "huggingface", "preset")
"""Formats to read."""
COMPACT = "compact"
TARGETS = (*FORMATS, COMPACT)
"""Formats to write."""
REFERENCE_CODES = ("lv_bert", "electra")
"""Whose variable names a reference checkpoint gets."""
HUGGINGFACE_CODES = ("auto", "electra", "lv_bert")
"""Whose classes hold a model in transformers. `auto` takes ELECTRA's if they can, else our own."""
