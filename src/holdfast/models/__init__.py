"""The network: loading and placement, adapters, token log-probs, backends that generate and score."""
