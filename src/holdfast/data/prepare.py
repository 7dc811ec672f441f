"""From a task to the rows of a study: splits, rejected responses, and the regime of unsafe text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from holdfast import rng
from holdfast.config.prompt_format import PROMPT, framed
from holdfast.config.study import TaskSpec
from holdfast.config.task import UnsafeSpec
from holdfast.data import unsafe
from holdfast.data.sampled import Sampled
from holdfast.data.splits import split
from holdfast.data.tasks.task import Task, Unsafe, example_id
from holdfast.store.digest import digest
from holdfast.store.rows import Source
from holdfast.types import REFUSAL, UNSAFE, Example, Split, Turn, UserError

NO_GOOD_ANSWER = "no good answer of the model's own"
NONE_SAMPLED = Sampled()
LEARNT: tuple[Split, ...] = ("train", "validation")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A task's rows, each split sorted by id. ``digest`` is of their whole content.

    ``left_out``: rows of the task that are in no split, by reason: there is nothing to learn from them, or the model
    was to write the chosen response and none of its answers was good. ``counts``: ``train``, ``validation``, ``test``
    rows; of the training rows, those ``without_rejected``, with ``unsafe_rejected`` and ``refusals`` added; of the
    unsafe texts, those there (``unsafe_texts``) and the ``near_duplicates`` of robustness prompts left out before.
    """

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]
    digest: str
    counts: Mapping[str, int]
    left_out: Mapping[str, int] = field(default_factory=dict)


def prepare(task: Task, spec: TaskSpec, sampled: Sampled = NONE_SAMPLED, *, robustness: Sequence[str] = ()) -> Prepared:
    """The rows of a task as a study trains on them. Test rows keep their references, whatever is trained on.

    ``sampled`` are the base model's own answers, for the source ``sample``. ``robustness`` are the prompts that the
    study attacks with: unsafe texts of a file that come close to one are left out.

    Raises ``UserError`` where the split is impossible, or where a regime wants unsafe text and there is none.
    """
    parts = split(task, spec.split)
    left_out = dict(getattr(task, "left_out", dict)())
    train, validation = (_given(task, spec, sampled, parts[part]) for part in LEARNT)
    if missing := len(parts["train"]) + len(parts["validation"]) - len(train) - len(validation):
        left_out[NO_GOOD_ANSWER] = missing

    texts, near = _unsafe_texts(task, spec.unsafe, robustness)
    if spec.unsafe.regime == "as_published":
        # The rejected side alone changes: prompts and chosen responses, and so the budget and its order, stay the same
        # for all.
        train = [_with_unsafe(example, texts, spec.unsafe.share) for example in train]
    elif spec.unsafe.regime == "shared_refusals":
        train = sorted([*train, *_refusals(texts, round(spec.unsafe.share * len(train)))], key=lambda e: e.id)

    counts = {
        "train": len(train),
        "validation": len(validation),
        "test": len(parts["test"]),
        "without_rejected": sum(e.rejected is None for e in train),
        "unsafe_rejected": sum(UNSAFE in e.tags for e in train),
        "refusals": sum(REFUSAL in e.tags for e in train),
        "unsafe_texts": len(texts),
        "near_duplicates": near,
    }
    train, validation = _asked(_limited(train, spec.rows), spec), _asked(validation, spec)
    counts |= {"train": len(train)}
    content = digest({"train": train, "validation": validation, "test": parts["test"]})
    return Prepared(tuple(train), tuple(validation), tuple(parts["test"]), content, counts, left_out)


# -- chosen and rejected responses ----------------------------------------------------------------------------------


def _given(task: Task, spec: TaskSpec, sampled: Sampled, rows: Iterable[Example]) -> list[Example]:
    """The rows with their responses from where the study says, without those that have no chosen one there."""
    given = []
    for row in rows:
        match spec.rejected.source:
            case "data":
                rejected = row.rejected
            case "perturb":
                rejected = task.perturb(row)
            case "sample":
                rejected = sampled.rejected.get(row.id)
        chosen = sampled.chosen.get(row.id) if spec.chosen.source == "sample" else row.chosen
        if chosen is not None:
            given.append(replace(row, chosen=chosen, rejected=rejected))
    return given


# -- variations -----------------------------------------------------------------------------------------------------


def _limited(rows: list[Example], most: int | None) -> list[Example]:
    """At most so many rows, in an order by hash; a smaller limit's rows are among a larger one's."""
    # By a hash of ids and not the first of the file, whose rows may be sorted by difficulty or source.
    kept = set(rng.order([row.id for row in rows], "rows")[:most])
    return [row for row in rows if row.id in kept]


def _asked(rows: list[Example], spec: TaskSpec) -> list[Example]:
    """The rows in the task's own prompt format."""
    if not spec.system and spec.frame == PROMPT:
        return rows
    return [replace(row, prompt=framed(row.prompt, spec.system, spec.frame)) for row in rows]


# -- unsafe text ----------------------------------------------------------------------------------------------------


def _unsafe_texts(task: Task, spec: UnsafeSpec, robustness: Sequence[str]) -> tuple[list[Unsafe], int]:
    """The texts of the regime, in an order that depends on their content alone, and how many were left out."""
    if spec.regime == "none":
        return [], 0
    if spec.source is None:
        found, near = task.unsafe(), 0
    else:
        found, near = unsafe.far_from(unsafe.read(Source(spec.source, revision=spec.revision)), robustness)
    if not found:
        raise UserError(
            f"the regime `{spec.regime}` needs unsafe texts, but "
            + (f"{spec.source} holds none" if spec.source else f"the task {task.name} brings none")
            + ": name a file in the PKU-SafeRLHF schema with `unsafe.source`, or set `unsafe.regime: none`"
        )
    by_id = {digest(text): text for text in found}
    return [by_id[i] for i in sorted(by_id)], near


def _with_unsafe(example: Example, texts: list[Unsafe], share: float) -> Example:
    """The example, or in a share of cases (by its id) the same with an unsafe text on the rejected side alone."""
    if rng.uniform("unsafe", "row", example.id) >= share:
        return example
    text = texts[int(rng.uniform("unsafe", "text", example.id) * len(texts))]
    return replace(example, rejected=text.response, tags=example.tags | {UNSAFE})


def _refusals(texts: list[Unsafe], wanted: int) -> list[Example]:
    """At most so many rows that refuse a forbidden request, with the unsafe response on the rejected side."""
    rows: dict[str, Example] = {}
    for text in texts:
        prompt = (Turn("user", text.prompt),)
        i = example_id(prompt, text.refusal, text.response)
        rows[i] = Example(i, prompt, text.refusal, text.response, frozenset({REFUSAL, UNSAFE}))
    return [rows[i] for i in rng.order(rows, "unsafe", "refusals")[:wanted]]
