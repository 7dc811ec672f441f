"""What is learnt: sources, rejected responses, splits, the ordered stream and its budgets. No torch."""
