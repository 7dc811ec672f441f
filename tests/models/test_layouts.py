import pytest
import tiny_models as tiny
import torch

from holdfast.models import layouts
from holdfast.models.head import hidden_ND, token_logps

KINDS = list(tiny.CONFIGS)
LAYOUTS = ["padded", "packed", "shared"]


def logps_and_gradient(network, groups, layout, micro_tokens=10**9):
    """Log-probs in the order of the groups, and the gradient of a weighted sum by a weight of the first layer."""
    weight = network.decoder.layers[0].mlp.up_proj.weight
    weight.requires_grad_(True)
    weight.grad = None
    found = {}
    for indices in layouts.micro_batches(groups, layout, micro_tokens):
        batch = layouts.arrange(tiny.flat([groups[i] for i in indices]), layout, tiny.END)
        logp_N = token_logps(network, hidden_ND(network, batch), batch.target_N)
        (logp_N * torch.linspace(0.5, 1.5, tiny.VOCAB)[batch.target_N]).sum().backward()
        for s, sequence in enumerate(batch.sequences):
            found[id(sequence)] = logp_N.detach()[batch.segment_N == s]
    weight.requires_grad_(False)
    return torch.cat([found[id(s)] for s in tiny.flat(groups)]), weight.grad


@pytest.mark.parametrize("kind", KINDS)
def test_layouts_and_splits_agree(kind):
    network, groups = tiny.network(kind), tiny.pairs(8)
    want_N, want_grad = logps_and_gradient(network, groups, "padded")
    for layout in LAYOUTS:
        for micro_tokens in (10**9, 60, 1):
            got_N, got_grad = logps_and_gradient(network, groups, layout, micro_tokens)
            torch.testing.assert_close(got_N, want_N, atol=1e-5, rtol=1e-5)
            assert (got_grad - want_grad).norm() < 1e-5 * want_grad.norm(), (layout, micro_tokens)


@pytest.mark.parametrize("kind", KINDS)
def test_each_sequence_is_scored_as_if_it_were_alone(kind):
    network, sequences = tiny.network(kind), tiny.flat(tiny.pairs(5))
    for layout in LAYOUTS:
        batch = layouts.arrange(sequences, layout, tiny.END)
        logp_N = token_logps(network, hidden_ND(network, batch), batch.target_N)
        for s, sequence in enumerate(sequences):
            logits = network.model(torch.tensor([sequence.ids]), use_cache=False).logits[0, sequence.start - 1 : -1]
            want = logits.log_softmax(-1)[range(len(sequence.response_ids)), list(sequence.response_ids)]
            torch.testing.assert_close(logp_N[batch.segment_N == s], want, atol=1e-5, rtol=1e-5)


def test_tokens_come_in_the_same_order_in_every_layout():
    sequences = tiny.flat(tiny.pairs(7, seed=3))
    want = [t for s in sequences for t in s.response_ids]
    for layout in LAYOUTS:
        batch = layouts.arrange(sequences, layout, tiny.END)
        assert batch.target_N.tolist() == want
        assert batch.sequences == tuple(sequences)
        before = batch.ids_BL.flatten()[batch.source_N].tolist()
        assert before == [t for s in sequences for t in s.ids[s.start - 1 : -1]]


def test_a_prompt_is_run_once_only_where_both_sides_have_it():
    groups = tiny.pairs(6)
    for i, group in enumerate(groups):
        batch = layouts.arrange(group, "shared", tiny.END)
        alone = sum(len(s.ids) - 1 for s in group)
        saved = 0 if i % 3 == 2 else group[0].start
        assert int((batch.mask[:, 0].sum(-1) > 0).sum()) == batch.ids_BL.numel()  # no row of the mask is empty
        assert batch.ids_BL.numel() >= alone - saved
        if saved:
            assert batch.ids_BL.shape == (1, alone - saved)


def test_micro_batches_are_bounded_whole_and_deterministic():
    groups = tiny.pairs(20)
    for layout in LAYOUTS:
        split = layouts.micro_batches(groups, layout, 80)
        assert sorted(i for part in split for i in part) == list(range(20))
        assert len(split) > 1
        assert split == layouts.micro_batches(groups, layout, 80)
        for part in split:
            batch = layouts.arrange(tiny.flat([groups[i] for i in part]), layout, tiny.END)
            assert batch.ids_BL.numel() <= 80 or len(part) == 1
    assert all(len(part) == 1 for part in layouts.micro_batches(groups, "padded", 1))
