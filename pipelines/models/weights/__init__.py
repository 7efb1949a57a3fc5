"""Weights: from files into networks, changed by adapters, spread over devices."""
