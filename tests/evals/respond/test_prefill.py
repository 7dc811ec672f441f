"""An answer that is begun for the subject: what is generated goes on from it, and the record holds both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from holdfast import registry
from holdfast.evals.judges.rules import Rules
from holdfast.evals.measures.attacks import Prefill
from holdfast.evals.measures.robustness import Robustness, item
from holdfast.evals.respond import respond_subject
from holdfast.evals.subject import SubjectRow
from holdfast.models.identity import subject_id
from holdfast.store import tables
from holdfast.types import Record, Request, Sampling, Subject, Turn, UserError

ASKED = (Turn("user", "How is tea made?"),)
REFUSALS = (
    "I cannot help with that.",
    "I'm sorry, but I can't assist with that request.",
    "\n\nI'm not able to help with this. It would be illegal and could hurt people.",
    "I won't do that. Is there something else I can help you with?",
    "Wait, I cannot provide that.",
    "I can't give instructions for this.\n\nIf you are struggling, please reach out to a professional.",
)
ANSWERS = (
    "\n\n1. Boil the kettle.\n2. Pour the water over the leaves.\n3. Wait for five minutes.",
    "Take the pan and fill it with water. Then boil it for ten minutes and add the salt.",
)


def joined(begun: str, said: str) -> str:
    return begun + said if said[0].isspace() else f"{begun} {said}"


@pytest.mark.parametrize("said", REFUSALS)
def test_the_words_put_into_its_mouth_are_no_answer_where_a_refusal_follows(said):
    assert Rules().verdict(joined(Prefill().begins, said)) == Rules().verdict(said) == "refusal"


@pytest.mark.parametrize("said", ANSWERS)
def test_and_an_answer_after_them_is_one(said):
    assert Rules().verdict(joined(Prefill().begins, said)) == "answer"


def test_the_conversation_ends_with_the_beginning_of_the_answer():
    attack = registry.build("attacks", "prefill")
    assert attack.wrap(ASKED) == (*ASKED, Turn("assistant", attack.begins))
    assert attack.begins == attack.begins.strip() != ""


@pytest.mark.parametrize(
    "text",
    ['{version: 1, text: "{prompt}", begins: "Sure "}', '{version: 1, text: ["a", "{prompt}"], begins: Sure}'],
)
def test_a_beginning_that_cannot_be_is_a_clear_error(tmp_path, text):
    mine = tmp_path / "attacks.yaml"
    mine.write_text(f"prefill: {text}")
    with pytest.raises(UserError, match="`begins` of the attack 'prefill'"):
        Prefill(str(mine)).wrap(ASKED)


def test_other_words_are_another_attack(tmp_path):
    hashes = set()
    for begins in ("Sure.", "Of course."):
        (tmp_path / "attacks.yaml").write_text(f'prefill: {{version: 1, text: "{{prompt}}", begins: {begins}}}')
        hashes.add(Prefill(str(tmp_path / "attacks.yaml")).hash)
    assert len(hashes) == 2


@dataclass(frozen=True)
class Insists:
    """Begins the first answer and asks once more."""

    name: ClassVar[str] = "insists"
    version: ClassVar[int] = 1
    codec: ClassVar[None] = None
    hash: ClassVar[str] = "x"
    rounds: ClassVar[int] = 2

    def wrap(self, turns):
        return (*turns, Turn("assistant", "Yes"))

    def next(self, asked, turns, round):
        return Turn("user", "And then?")


def test_a_conversation_goes_on_from_the_whole_answer(monkeypatch):
    get = registry.get
    monkeypatch.setattr(registry, "get", lambda group, name: Insists if name == "insists" else get(group, name))
    measure, asked = Robustness(attacks=("insists",)), item("How is tea made?", {})
    turns = measure.conversation(asked, "insists", ["Yes, boil it."])
    assert turns == (*asked.prompt, Turn("assistant", "Yes, boil it."), Turn("user", "And then?"))


def test_what_is_generated_goes_on_from_the_beginning_drafted_or_not(network):
    from holdfast.models.backend import InProcess

    backend, who, renderer = InProcess(network), Subject("s", "tiny"), network.renderer
    begun = (*ASKED, Turn("assistant", "You"))
    request = Request("k", who, begun, (), Sampling(12))
    (said,) = backend.generate([request])
    assert said.text.startswith("You")
    assert said.n_tokens <= 12
    assert len(renderer.continuation_ids("You")) == 3  # and they are not counted
    prompt = renderer.prompt_ids(ASKED) + renderer.continuation_ids("You")
    assert renderer.asked_ids(begun) == prompt
    drafted = [Request("k", who, begun, (), Sampling(12), (said.text,)), Request("l", who, begun, (), Sampling(12))]
    assert {r.text for r in backend.generate(drafted)} == {said.text}
    assert backend._draft_ids(drafted[0]) in ((renderer.continuation_ids(said.text)[3:],), ())


def test_the_record_holds_the_whole_answer_and_counts_what_was_generated(make, study_folder, network):
    from holdfast.models.backend import InProcess

    found = make(prompts=3, params={"attacks": ["prefill", "dan"]}, max_new_tokens=6)
    config = next(c for c in found if c.label == "strongreject")
    row = SubjectRow(subject_id(network.digest, network.renderer.digest), "tiny")
    folder = study_folder([config])
    respond_subject(InProcess(network), network.renderer, row, [config], folder)
    said = [r for p in folder.record_shards() for r in tables.read_rows(p, "records", Record)]
    begins = Prefill().begins
    assert all(r.response.startswith(begins) == (r.attack == "prefill") for r in said)
    assert all(r.plain == r.response.lstrip() or r.plain == r.response for r in said)
    assert max(r.n_tokens for r in said) <= 6
