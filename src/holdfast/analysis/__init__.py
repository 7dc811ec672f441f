"""From judgements to estimates: intervals, paired tests, frontier, and the answer in words. No torch.

    frame.load → estimates.estimates → headlines, frontier, control_runs, harm, answer

What each number is, and why that method, stands in ``docs/statistics.md``.
"""
