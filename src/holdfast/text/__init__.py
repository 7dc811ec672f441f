"""The one renderer: turns to ids, and counting. No torch."""
