"""The formats that models are exported in; this file imports none of what writes them."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass

from lvbert_tf.errors import InputError

PRECISIONS = ("float32", "bfloat16", "int8")


@dataclass(frozen=True)
class Format:
    """A format of exported models.

    Args:
      precisions: the precisions that it can have.
      packages: the packages that write it, beside those of this project.
      int8_packages: those that int8 needs too.
    """

    precisions: tuple[str, ...]
    packages: tuple[str, ...] = ()
    int8_packages: tuple[str, ...] = ()

    def packages_for(self, precision: str) -> tuple[str, ...]:
        """The packages that write it in a precision."""
        return self.packages + (self.int8_packages if precision == "int8" else ())


FORMATS = {
    "savedmodel": Format(("float32", "bfloat16")),
    "onnx": Format(("float32", "int8"), ("tf2onnx", "onnxruntime")),
    "openvino": Format(PRECISIONS, ("openvino",), ("nncf",)),
}


def check_formats(formats: Sequence[str], precision: str) -> None:
    """Refuses what cannot be written, before anything is loaded.

    Raises:
      InputError: there is no format, one is unknown or given twice, one cannot have the precision, or a
        package is not installed.
    """
    if not formats or set(formats) - set(FORMATS) or len(set(formats)) < len(formats):
        given = ",".join(formats)
        raise InputError(f"--format {given!r}: expected one or more of {', '.join(FORMATS)}")
    for name in formats:
        if precision not in FORMATS[name].precisions:
            able = [other for other in FORMATS if precision in FORMATS[other].precisions]
            raise InputError(
                f"--format {name} has no --precision {precision}, only"
                f" {' and '.join(FORMATS[name].precisions)}; {' and '.join(able)} have it"
            )
        packages = FORMATS[name].packages_for(precision)
        for package in packages:
            if importlib.util.find_spec(package) is None:
                raise InputError(
                    f"--format {name} needs the package {package}: pip install {' '.join(packages)}"
                )
