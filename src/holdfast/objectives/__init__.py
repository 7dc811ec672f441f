"""How it is learnt: one short file each, a view and a loss; sees numbers, not models or files."""
