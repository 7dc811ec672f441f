"""Where stages run: this machine's processes. Thin: knows nothing of what a stage does."""
