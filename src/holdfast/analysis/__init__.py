"""From judgements to estimates: intervals, paired tests, frontier, and the answer in words. No torch.

    load.load_records → estimates, estimands → estimates_file; analyse also writes the page's other tables

What each number is, and why that method, stands in ``docs/statistics.md``.
"""
