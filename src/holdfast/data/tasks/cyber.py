"""Cybersecurity questions made of threat reports: what is going on in this report, and what is to be done about it?

The data set has no question column (``swaption2009/cyber-threat-intelligence-custom-data``: id, text, entities,
relations, diagnosis, solutions), so the questions are written here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from holdfast.data.gather import Gathered, cell, gather
from holdfast.data.tasks.open_qa import OpenEnded
from holdfast.data.tasks.task import example_id, prompt_key
from holdfast.store.rows import Source, remembered
from holdfast.types import Example, Turn

Part = Literal["diagnosis", "solutions"]
QUESTIONS: dict[Part, str] = {
    "diagnosis": "Here is an excerpt of a threat report. Which threat does it show, by whom, and how does it work?",
    "solutions": "Here is an excerpt of a threat report. What should a defender do against what it describes?",
}


@dataclass(frozen=True)
class CyberQA(OpenEnded):
    """Each report asked about once or twice; the reference is its diagnosis, or its solutions.

    The rule: for each of ``parts``, the question, an empty line and the report make the prompt, and the column of that
    name is the answer. A report without text, and a part without an answer, are left out and counted. Both questions
    about one report go to the same split.

    path: a file, a folder or a hub id, with the columns text, diagnosis and solutions.
    revision: of the hub's data set; None is its newest.
    parts: which of the two questions are asked.
    """

    path: str = "swaption2009/cyber-threat-intelligence-custom-data"
    revision: str | None = None
    parts: tuple[Part, ...] = ("diagnosis", "solutions")

    name: ClassVar[str] = "cyber"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not self.parts or len(set(self.parts)) < len(self.parts):
            raise ValueError("`parts` must name diagnosis, solutions or both, once each")

    def sources(self) -> list[Source]:
        return [Source(self.path, revision=self.revision)]

    def rows(self) -> list[Example]:
        return list(self._gathered.examples)

    def left_out(self) -> dict[str, int]:
        return dict(self._gathered.left_out)

    def together(self, example: Example) -> str:
        """The report: rows about the same one are never both learnt and measured."""
        report = example.prompt[-1].content.partition("\n\n")[2]
        return prompt_key((Turn("user", report),))

    @property
    def _gathered(self) -> Gathered:
        (source,) = self.sources()
        return _examples(source, self.parts)


@remembered
def _examples(source: Source, parts: tuple[Part, ...]) -> Gathered:
    def made() -> Iterator[Example | str]:
        for placed in source.rows():
            report = cell(placed, "text")
            answers = {part: cell(placed, part, several=True) for part in parts}
            if not report:
                yield "no report"
                continue
            for part, right in answers.items():
                if not right:
                    yield f"no {part}"
                    continue
                prompt = (Turn("user", f"{QUESTIONS[part]}\n\n{report}"),)
                yield Example(example_id(prompt, right), prompt, right, answer=right)

    return gather(made())
