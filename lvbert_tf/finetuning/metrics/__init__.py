"""Metrics by name, computed from references and predictions.

Shares and correlations are in percent, as the reference prints them.
"""

_LOWER_IS_BETTER = frozenset({"mse"})


def higher_is_better(metric: str) -> bool:
    """Whether a greater value of the metric is better."""
    return metric not in _LOWER_IS_BETTER
