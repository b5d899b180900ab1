"""Drivers of other implementations, which run in environments of their own and import no lvbert_tf."""
