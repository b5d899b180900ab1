"""The limit for a cost of an encoder, as a user writes it."""

import math
from dataclasses import dataclass
from typing import Any

from lvbert_tf.errors import InputError

_WORD = "unlimited"


@dataclass(frozen=True)
class Limit:
    """The highest cost that is allowed: a whole number, or no limit.

    Args:
      value: the highest allowed cost, at least 1; infinite where there is no limit.
    """

    value: float

    @classmethod
    def parse(cls, value: Any) -> "Limit":
        """Reads `13_000_000`, its digits as text, `"unlimited"`, or a Limit.

        Raises:
          InputError: saying what is allowed.
        """
        if isinstance(value, cls):
            return value
        if value == _WORD:
            return UNLIMITED
        digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19
        number = int(value) if digits else value
        is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
        if not (is_number and 1 <= number < 2**63 and number == int(number)):
            raise InputError(f'use a whole number of at least 1, or "{_WORD}"; got {value!r:.80}')
        return cls(int(number))

    def admits(self, cost: int) -> bool:
        """Whether this cost is allowed."""
        return cost <= self.value

    def __str__(self) -> str:
        return _WORD if math.isinf(self.value) else str(self.value)


UNLIMITED = Limit(math.inf)
