"""From judgements to estimates: intervals, paired differences, corrections. No torch."""
