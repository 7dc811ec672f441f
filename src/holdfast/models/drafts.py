"""Drafts: what others answered to the same prompt, as a guess at what comes next, and how much of it to try.

Checkpoints of one study answer alike. A draft's next tokens are run in the same forward as a row's last token; those
that the model itself would have said stay, with its own next token (Leviathan et al. 2023, with a text in place of a
draft model). After a miss the place in the draft is found again by the last tokens that were said.

How many tokens to try is a rule of counts alone, never of the clock: the same run makes the same batches.

Shape legend: B rows, M the most tokens that a row may try.
"""

from __future__ import annotations

import collections.abc as abc
import itertools
from dataclasses import dataclass

import numpy as np
import torch

from holdfast.models.network import Network

GRAMS = (4, 3, 2)  # last tokens by which a place is found again, the longest first
MOST = 32  # draft tokens of one row in one forward
TOGETHER = 1024  # tokens of all rows in one forward, whose logits are held at once
BREAK = -1  # between two drafts; no token
# What a token that is tried is reckoned at: more than it costs, for a row that runs ahead ends early, and those that do
# not then have a forward to themselves.
WARY = 1.5
FIXED: dict[tuple[str, torch.dtype], tuple[float, float]] = {  # weights read, in tokens; a layer started, in parameters
    ("cpu", torch.float32): (18, 2.3e7),
    ("cpu", torch.bfloat16): (52, 9e7),
    ("cuda", torch.float32): (30, 1.5e10),
    ("cuda", torch.bfloat16): (125, 1.2e11),
}


class Draft:
    """One row's drafts, and the place in them: ``at`` is of the next token, if the row still goes with them."""

    def __init__(self, drafts: abc.Sequence[abc.Sequence[int]]):
        self.ids = [i for ids in drafts for i in (*ids, BREAK)]
        self.at, self.run = 0, 0
        self.first, self.lost = True, not self.ids  # whether it has never missed, and whether it goes with none now
        self._after: dict[tuple[int, ...], list[int]] = {}
        for n in GRAMS if self.ids else ():
            for end in range(n, len(self.ids)):
                if self.ids[end] != BREAK:
                    self._after.setdefault(tuple(self.ids[end - n : end]), []).append(end)

    def next(self, most: int) -> list[int]:
        """The tokens that come next by the draft, at most so many."""
        if self.lost:
            return []
        ahead = self.ids[self.at : self.at + min(most, MOST)]
        return ahead[: ahead.index(BREAK)] if BREAK in ahead else ahead

    def said(self, token: int, text: abc.Sequence[int]) -> None:
        """The row said this token, the last of its ``text``."""
        if not self.ids:
            return
        if not self.lost and self.ids[self.at] == token:
            self.at, self.run = self.at + 1, self.run + 1
            return
        self.first, self.lost, self.run = False, True, 0
        for n in GRAMS:
            if places := self._after.get(tuple(text[-n:])):
                self.at = min(places, key=lambda place: (abs(place - self.at), place))
                self.lost, self.run = False, n
                return

    def chances(self, n: int) -> list[float]:
        """The probability that each of the next n tokens is right together with those before it.

        The longer a row has gone with its draft, the likelier it goes on, more so from the first token than from a
        place that was found again: after r right ones (r + 1.5) / (r + 2) and r / (r + 2.5), which were fitted to
        answers of a chat model's checkpoints (135 million parameters; school sums and forbidden requests).
        """
        bonus, against = (1.5, 0.5) if self.first else (0.0, 2.5)
        given = (r + bonus for r in range(self.run, self.run + n))
        return list(itertools.accumulate((r / (r + against) for r in given), float.__mul__))


@dataclass(frozen=True)
class ForwardCost:
    """What a forward costs, in tokens of a large batch: ``fixed``, one for each token, and for each place of the batch
    that attention is padded to ``place`` a column.

    A processor in fp32 reads its weights in the time of 18 tokens, and starts a layer in that of 23 million parameters
    times one: 135 million of them in 30 layers are reckoned 23 tokens a forward and were measured at 20; in bfloat16
    autocast, which makes the weights anew each time, 72 and 72. Those of a GPU are reckoned from its bandwidth, its
    peak and half a millisecond a layer, and were not measured.
    """

    fixed: float
    place: float

    @staticmethod
    def of(network: Network) -> ForwardCost:
        """By device, precision and size; see ``docs/benchmarks.md``."""
        config = network.decoder.config
        numbers = network.model.num_parameters()
        if network.trained is not None:  # the base is reckoned alike whether an adapter waits in it or not
            numbers -= network.trained.beside
        if not config.tie_word_embeddings:
            numbers -= network.model.get_input_embeddings().weight.numel()  # type: ignore[operator,union-attr]
        precision = torch.bfloat16 if network.autocast else network.dtype
        reading, starting = FIXED.get((network.device.type, precision), FIXED["cpu", torch.float32])
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        attention = 2 * config.num_hidden_layers * config.num_attention_heads * size
        return ForwardCost(reading + starting * config.num_hidden_layers / numbers, attention / numbers)

    def lengths(self, chances: abc.Sequence[abc.Sequence[float]], columns: int) -> list[int]:
        """How many tokens each row tries, of those that it has these chances of: what gives most tokens for the cost.

        Every row says one token of its own. Those that are tried are taken in the order of their chances, up to where
        the tokens that a forward gives are the most for what it costs.
        """
        rows, most = len(chances), max(map(len, chances), default=0)
        if not most:
            return [0] * rows
        chance_BM = np.zeros((rows, most))
        for b, row in enumerate(chances):
            chance_BM[b, : len(row)] = row
        order = np.argsort(-chance_BM, axis=None, kind="stable")  # along a row chances fall, so no token is left out
        order = order[: min(np.count_nonzero(chance_BM), max(TOGETHER - rows, 0))]
        given = rows + np.concatenate([[0], np.cumsum(chance_BM.ravel()[order])])
        longest = np.concatenate([[1], np.maximum.accumulate(order % most) + 2])
        paid = self.fixed + rows + WARY * np.arange(len(given)) + self.place * columns * rows * longest
        best = int(np.argmax(given / paid))
        return np.bincount(order[:best] // most, minlength=rows).tolist()
