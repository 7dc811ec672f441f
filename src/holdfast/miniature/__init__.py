"""The miniature: an embedded synthetic world and a tiny aligned chat model. Not evidence about real models."""
