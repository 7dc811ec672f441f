"""Hidden states of whole answers, against the model's own."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from holdfast.config.study import ModelSpec
from holdfast.models.network import load
from holdfast.models.states import States
from holdfast.types import Segment, Turn

SPEC = ModelSpec(name="mini", path="package:holdfast.miniature/model")
ANSWERS = [("How do I mend a bowl?", "Glue it."), ("Why?", "Wait for a day, and then glue it with water and sand.")]


def test_they_are_those_of_the_middle_layer_and_the_last_over_the_answer_and_at_its_end():
    model = AutoModelForCausalLM.from_pretrained(str(files("holdfast.miniature") / "model"), dtype=torch.float32).eval()
    renderer = load(SPEC).renderer
    found = States(SPEC).read(ANSWERS)
    for (question, answer), numbers in zip(ANSWERS, found, strict=True):
        row = renderer.sequence(Segment("", "chosen", (Turn("user", question),), answer))
        with torch.no_grad():
            out = model(torch.tensor([row.ids]), output_hidden_states=True)
        middle, last = out.hidden_states[len(model.model.layers) // 2 + 1][0], out.hidden_states[-1][0]
        parts = [part for states in (middle, last) for part in (states[row.start :].mean(0), states[-1])]
        assert np.allclose(numbers, torch.cat(parts).numpy(), atol=1e-4)


def test_an_answer_longer_than_the_context_has_none():
    short, long = States(SPEC).read([ANSWERS[0], ("Why?", "and then wait " * 4000)])
    assert short is not None
    assert long is None
