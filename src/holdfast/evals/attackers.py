"""Attackers that are language models: one reads the conversation so far and writes the user's next turn.

What one wrote is kept with the answers that are paid for, so that a turn is written once, whoever reads the
conversation later: a resumed run, the page, a log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from holdfast.data import thinking
from holdfast.data.blank import is_blank
from holdfast.evals.judges import escape
from holdfast.evals.judges.asking import Asks
from holdfast.evals.judges.endpoint import UNANSWERED
from holdfast.evals.judges.judge import JudgeModel, JudgeResources
from holdfast.evals.judges.rules import Rules
from holdfast.evals.measures.attacks import PROMPT, Episode, Template
from holdfast.store.digest import digest
from holdfast.store.files import read_json, write_first
from holdfast.types import Turn, UserError

Turns = tuple[Turn, ...]


@dataclass(frozen=True, kw_only=True)
class Pair(Asks, Template):
    """The request as it is, and then messages that a language model writes, who reads what the subject answered: the
    idea of Chao et al. 2023 (arXiv 2310.08419), in one conversation and without a judge between the rounds.

    ``tries``: messages that it writes. ``model`` ({name, path, …}) or ``endpoint``, ``max_new_tokens``,
    ``temperature``: who writes them, as of judges that ask a model. ``file``: YAML in the form of ``attacks.yaml``,
    with the attacker's instructions.
    """

    name: ClassVar[str] = "pair"
    tries: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model == "base" and not self.endpoint:
            raise ValueError("who attacks? give a `model` of its own ({name, path}) or an `endpoint` ({url, model})")
        if self.tries < 1:
            raise ValueError("`tries` must be 1 or more")

    @property
    def rounds(self) -> int:
        return 1 + self.tries

    @property
    def hash(self) -> str:
        who = {"model": self.model_identity, "sampling": self.sampling}
        return digest({"attack": self.name, "version": self.version, "text": self.text, "tries": self.tries, **who})

    @property
    def identity(self) -> str:
        return self.hash

    def wrap(self, turns: Turns) -> Turns:
        return turns

    def next(self, asked: Turns, turns: Turns, round: int) -> Turn | None:
        raise UserError("what the attack pair says next a model writes, which only a run asks")

    def question(self, asked: Turns, turns: Turns) -> Turns:
        """What the attacker is asked: its instructions, and the conversation between lines that nothing imitates."""
        (text,) = self.texts
        code = escape.code([turn.content for turn in turns], self.name)
        names = {"user": "YOUR MESSAGE", "assistant": "ANSWER"}
        said = [escape.fenced(names[turn.role], turn.content, code) for turn in turns if turn.role in names]
        request = [turn.content for turn in asked if turn.role == "user"][-1]
        return (Turn("user", "\n\n".join([text.replace(PROMPT, request), *said])),)

    def message(self, reply: str) -> Turn | None:
        """The user's turn that a reply holds; None where it holds none, or declines to write one."""
        said = thinking.split(reply).answer.strip()
        return None if is_blank(said) or Rules().refuses(said) else Turn("user", said)


class Unwritten(Exception):
    """A turn that the attacker has yet to write."""

    def __init__(self, attack: Pair, question: Turns) -> None:
        super().__init__(attack.name)
        self.attack, self.question = attack, question


@dataclass(frozen=True)
class Attackers:
    """What attackers wrote, in ``cache``, and who asks them: ``resources`` of the local model that one wants. None:
    what was not written before stays unknown."""

    cache: Path
    resources: Callable[[JudgeModel | None], JudgeResources] | None = None

    def next(self, attack: Episode, asked: Turns, turns: Turns, round: int) -> Turn | None:
        """The user's turn of a round, by whatever attack. Raises ``Unwritten`` where a model has to write it first."""
        if not isinstance(attack, Pair):
            return attack.next(asked, turns, round)
        question = attack.question(asked, turns)
        file = self._file(attack, question)
        if not file.is_file():
            raise Unwritten(attack, question)
        return attack.message(read_json(file, "text")["text"])

    def write(self, wanted: Iterable[Unwritten]) -> None:
        """Has them written and kept, those of one attack together.

        Raises UserError where nobody may be asked, where an endpoint leaves one unanswered for now, and where its caps
        would be passed; what was written by then is kept.
        """
        by: dict[str, list[Unwritten]] = {}
        for one in wanted:
            by.setdefault(one.attack.hash, []).append(one)
        for some in by.values():
            self._write(some[0].attack, list(dict.fromkeys(one.question for one in some)))

    def _write(self, attack: Pair, questions: Sequence[Turns]) -> None:
        if self.resources is None:
            raise UserError(f"the attack {attack.name} asks a language model, which this run did not load")
        replies = attack.replies(questions, self.resources(attack.wants))
        for question, reply in zip(questions, replies, strict=True):
            if reply.reason != UNANSWERED:
                said = {"text": "" if reply.reason else reply.text, "reason": reply.reason or ""}
                write_first(self._file(attack, question), said)
        if left := sum(reply.reason == UNANSWERED for reply in replies):
            raise UserError(
                f"the attacker of {attack.name} left {left} of {len(replies)} questions unanswered: run again, and it "
                "is asked these alone"
            )

    def _file(self, attack: Pair, question: Turns) -> Path:
        key = digest([attack.model_identity, attack.sampling, question])
        return self.cache / "attackers" / key[:2] / f"{key}.json"
