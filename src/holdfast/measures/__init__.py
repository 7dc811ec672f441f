"""What is measured: items, attacks, extraction, scoring rules; a card each."""
