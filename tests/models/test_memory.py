import pytest
import tiny_models as tiny
import torch

from holdfast.models import memory
from holdfast.models.backend import InProcess
from holdfast.types import Request, Sampling, Subject, Turn, UserError

ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:119] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
    MemoryError("Unable to allocate 3 GiB for an array"),
]


def requests(continuations=()):
    turns = [(Turn("user", tiny.words(i, 2 + i % 5)),) for i in range(7)]
    return [Request(str(i), Subject("base", "tiny"), t, continuations, Sampling(5)) for i, t in enumerate(turns)]


class Small:
    """A body that holds so many rows, and counts what it was asked."""

    def __init__(self, network, rows, error):
        self.rows, self.error, self.asked, self.real = rows, error, [], network.decoder.forward
        network.decoder.forward = self

    def __call__(self, *args, **kwargs):
        self.asked.append(len(kwargs["input_ids"]))
        if self.asked[-1] > self.rows:
            raise self.error
        return self.real(*args, **kwargs)


def answers(network, asked):
    backend = InProcess(network)
    said = backend.score(asked) if asked[0].continuations else backend.generate(asked)
    return {a.key: a for a in said}


@pytest.mark.parametrize("error", ERRORS, ids=["cuda", "cpu", "cpu-windows", "numpy"])
def test_a_batch_that_is_too_large_is_halved(error):
    want = answers(tiny.network(), requests())
    network = tiny.network()
    small = Small(network, 2, error)
    assert answers(network, requests()) == want
    assert small.asked[:3] == [7, 3, 1]  # the whole, its first half, half of that
    assert max(small.asked[3:]) == 4  # the second half


def test_scores_are_the_same_in_halves():
    asked = requests(("7 8 9", "10"))
    want = answers(tiny.network(), asked)
    network = tiny.network()
    small = Small(network, 2, ERRORS[0])
    got = answers(network, asked)
    assert max(small.asked) > 2
    for key, scored in want.items():
        assert got[key].logps == pytest.approx(scored.logps, abs=1e-5)


def test_one_prompt_too_large_is_the_users_to_mend():
    network = tiny.network()
    Small(network, 0, ERRORS[0])
    with pytest.raises(UserError, match=r"memory does not do for one prompt to llama: .*shorter responses"):
        answers(network, requests())


def test_other_errors_are_not_taken_for_memory():
    network = tiny.network()
    small = Small(network, 0, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        answers(network, requests())
    assert small.asked == [7]


def test_halves_keep_the_order():
    def work(rows):
        if len(rows) > 2:
            raise MemoryError
        return [2 * row for row in rows]

    assert memory.halving(work, range(11), "x") == [2 * n for n in range(11)]


def test_a_position_is_reckoned_by_the_models_shape():
    network = tiny.network()
    # Keys and values of 3 layers, 2 heads of 8; 8 hidden states of 32 and 4 of 48; a mask of 2048 keys: 4 bytes each.
    assert memory.position_bytes(network, 3) == 4 * (2 * 3 * 2 * 8 + 8 * 32 + 4 * 48 + 2048)
    # Eager: scores of every head.
    assert memory.position_bytes(tiny.network("gemma2"), 3) > memory.position_bytes(network, 3)
    assert InProcess(network).batch_tokens == memory.ON_CPU
    assert InProcess(network, batch_tokens=7).batch_tokens == 7


def test_on_a_device_the_bound_is_a_power_of_two_that_fits(monkeypatch):
    network = tiny.network()
    network.device = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 2**20)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 2**19)
    found = {}
    for gib in (0.01, 8, 8.1, 80):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, gib=gib: (int(gib * 2**30), 2**37))
        tokens = found[gib] = memory.batch_tokens(network)
        assert tokens & (tokens - 1) == 0
        assert tokens == memory.AT_LEAST or tokens * memory.position_bytes(network, 3) <= (gib * 2**30 + 2**19) / 2
    assert found[8] == found[8.1]
    assert memory.AT_LEAST == found[0.01] < found[8] < found[80]
