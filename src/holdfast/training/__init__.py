"""The one loop: batches, references, checkpoints, proof of control."""
