"""From references and predictions to figures by name.

Shares and correlations are in percent, as the reference prints them.
"""

_LOWER_IS_BETTER = frozenset({"mse"})


def higher_is_better(metric: str) -> bool:
    """Whether the greater figure is the better one."""
    return metric not in _LOWER_IS_BETTER
