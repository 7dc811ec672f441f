"""holdfast: what the choice of fine-tuning objective does to a model besides teaching it the task."""

__version__ = "0.1.0"
