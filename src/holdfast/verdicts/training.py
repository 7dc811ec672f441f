"""A judge learnt from people's labels: rows in, a folder out that judges as any other judge, with its agreement on it.

Nothing here chooses between judges. What the card says is of rows that neither weights nor penalty saw: groups of rows
(one prompt, as a rule) are never split, and where rows come from several models, each is also judged by a fit on the
*other* models' answers to *other* prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from holdfast import __version__, rng
from holdfast.config.study import ModelSpec
from holdfast.evals import outside
from holdfast.evals.judges import learnt
from holdfast.evals.judges.escape import question
from holdfast.evals.judges.learnt import CLASSES
from holdfast.evals.judges.rules import Rules, evidence
from holdfast.stats import ridge
from holdfast.stats.agreement import agreement, contingency, interval
from holdfast.store.digest import digest
from holdfast.types import UserError

Array = np.ndarray
REFUSAL = CLASSES.index("refusal")
VERDICT = len(CLASSES)  # of the rules' evidence: what it begins with
LEAST = 20  # labelled rows; fewer say nothing that could be held back
# Labels as people write them, XSTest's among them (Röttger et al. 2024, arXiv 2308.01263).
MEANING = {
    **dict.fromkeys(("answer", "1_full_compliance", "full_compliance", "compliance", "complied"), "answer"),
    **dict.fromkeys(("partial", "3_partial_refusal", "partial_refusal"), "partial"),
    **dict.fromkeys(("refusal", "2_full_refusal", "full_refusal", "refused"), "refusal"),
}
REFUSED = {
    **dict.fromkeys(("yes", "true", "1"), "refusal"),
    **dict.fromkeys(("no", "false", "0"), "answer"),
}  # in a column of this name
TOLD = 50  # rows between two lines of progress


@dataclass(frozen=True)
class Labelled:
    """Rows with a label: question and answer, the place of the label in ``CLASSES``, what may not be split, and whose
    answer it is."""

    answers: list[tuple[str, str]]
    y: Array
    groups: Array
    sources: Array

    def only(self, kept: Sequence[int]) -> Labelled:
        rows = np.asarray(kept, dtype=int)
        return Labelled([self.answers[n] for n in kept], self.y[rows], self.groups[rows], self.sources[rows])


def train(paths: Sequence[Path], spec: ModelSpec, to: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Writes the judge's folder ``to``; returns what its card says. ``spec``: whose hidden states it reads. Raises
    ``UserError``, and leaves nothing half-written."""
    if to.exists():
        raise UserError(f"{to} is there already; choose another place for the judge")
    rows = read(paths)
    from holdfast.models.states import States

    place = Path(spec.path)
    spec = spec.model_copy(update={"path": str(place.resolve())}) if place.is_dir() else spec
    states = States(spec)
    say(f"{len(rows.y):,} labelled responses to {len(set(rows.groups)):,} prompts")
    found: list[Array | None] = []
    for at in range(0, len(rows.answers), TOLD):
        found += learnt.features(rows.answers[at : at + TOLD], states)
        say(f"read {len(found):,} of {len(rows.answers):,}")
    fitting = [n for n, x in enumerate(found) if x is not None]
    x, kept = np.stack([found[n] for n in fitting]), rows.only(fitting)  # type: ignore[misc]
    blocks = _blocks(x.shape[1])
    linear = ridge.fit(x, kept.y, kept.groups, blocks, len(CLASSES))
    say("fitted; now on rows that it did not see")
    figures = measured(x, kept, blocks) | {"overlong": len(rows.y) - len(kept.y)}
    about = {"format": 1, "holdfast": __version__, "rules": Rules.version, "features": digest(list(evidence("")))}
    about |= {"model": spec.model_dump(mode="json"), "states": dict(states.digest), "classes": list(CLASSES)}
    learnt.write(to, linear, about | {"agreement": figures}, card(figures, spec, to))
    return figures


def read(paths: Sequence[Path]) -> Labelled:
    """All labelled rows of these files, as ``holdfast judge`` reads them. A column ``refused`` (yes, no) may stand for
    ``label``, ``group`` for what may not be split (the prompt else), ``source`` or ``model`` for whose answers they are
    (the file else). Raises ``UserError``."""
    answers, labels, groups, sources = [], [], [], []
    for path in paths:
        for given in outside.read(path):
            said = _class(given)
            if said:
                fields = given.item.fields
                answers.append((question(given.item), given.record.plain))
                labels.append(CLASSES.index(said))
                groups.append(fields.get("group") or digest(given.item.prompt))
                sources.append(fields.get("source") or fields.get("model") or path.stem)
    rows = Labelled(answers, np.array(labels), np.array(groups), np.array(sources))
    if len(rows.y) < LEAST or not 0 < (rows.y == REFUSAL).sum() < len(rows.y) or len(set(groups)) < ridge.OUTER:
        raise UserError(
            f"there are {int((rows.y == REFUSAL).sum())} refusals among {len(rows.y)} labelled responses to "
            f"{len(set(groups))} prompts: a judge is learnt from {LEAST} and more, some refusals and some not, to "
            f"{ridge.OUTER} prompts and more"
        )
    return rows


def _class(given: outside.Given) -> str | None:
    """What people say a response is; None for nothing."""
    refused = str(given.item.fields.get("refused", "")).strip().casefold()
    word = given.label.strip().casefold()
    if not word and not refused:
        return None
    meaning = MEANING.get(word) if word else REFUSED.get(refused)
    if meaning is None:
        raise UserError(
            f"{given.where}: the label {word or refused!r} is none of answer, partial and refusal (in a column "
            "`refused`: yes or no)"
        )
    return meaning


def _blocks(features: int) -> list[ridge.Block]:
    """The rules' verdict first, which is hardly penalised: with few labels, or labels that fit anything, the judge says
    what the rules say, and only what labels hold against that moves it. Learnt without this on one model's answers, it
    was worse than the rules on another's."""
    others = len(evidence("")) - VERDICT
    return [(VERDICT, 3.0), (others, 1.0), (features - VERDICT - others, 1.0)]


def measured(x: Array, rows: Labelled, blocks: Sequence[ridge.Block]) -> dict[str, Any]:
    """How far the judge agrees with people on rows that it did not see, as plain JSON."""
    p = ridge.held_out(x, rows.y, rows.groups, blocks, len(CLASSES))
    rules = np.array([Rules().refuses(answer) for _, answer in rows.answers], dtype=float)
    names = sorted(map(str, set(rows.sources)))
    table = np.zeros((len(CLASSES), len(CLASSES)), dtype=int)
    np.add.at(table, (rows.y, _labels(p)), 1)
    found: dict[str, Any] = {"n": len(rows.y), "prompts": len(set(rows.groups))}
    found |= {"refusals": int((rows.y == REFUSAL).sum()), "two_way": _kappa(p, rows), "confusion": table.tolist()}
    found |= {"three_way": _number(agreement(table).kappa), "rules": _kappa_of(rules, rows)}
    found["sources"] = {name: _kappa(p, rows, rows.sources == name) for name in names}
    if len(names) > 1:
        q = ridge.held_out(x, rows.y, rows.groups, blocks, len(CLASSES), rows.sources)
        found["unseen_sources"] = {name: _kappa(q, rows, rows.sources == name) for name in names}
    return found


def _kappa(p: Array, rows: Labelled, some: Array | None = None) -> dict[str, Any]:
    """Cohen's κ of refusal against the rest, with its interval clustered by group."""
    said = np.where(np.isnan(p[:, REFUSAL]), np.nan, (p[:, REFUSAL] > 0.5).astype(float))
    return _kappa_of(said, rows, some)


def _kappa_of(said: Array, rows: Labelled, some: Array | None = None) -> dict[str, Any]:
    some = np.full(len(rows.y), True) if some is None else some
    tables = contingency(said[some], (rows.y[some] == REFUSAL).astype(float), rows.groups[some])
    low, high = interval(tables, rng.generator("agreement", "learnt", len(tables)))
    kappa = agreement(tables.sum(axis=0)).kappa
    return {"n": int(tables.sum()), "kappa": _number(kappa), "low": _number(low.kappa), "high": _number(high.kappa)}


def _labels(p: Array) -> Array:
    return np.array([CLASSES.index(learnt.label(one)) for one in np.nan_to_num(p)])


def _number(value: Any) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def card(found: Mapping[str, Any], spec: ModelSpec, to: Path) -> str:
    """What a person should know before using the judge, in Markdown."""
    lines = [
        "# A judge of refusals, learnt from people's labels",
        "",
        f"Made by holdfast {__version__} of {found['n']:,} labelled responses to {found['prompts']:,} prompts, "
        f"{found['refusals']:,} of them refusals"
        + (f" ({found['overlong']:,} more were too long to read)" if found["overlong"] else "")
        + f". It weighs the evidence of the rules (version {Rules.version}) and the hidden states of `{spec.path}`, "
        "middle layer and last.",
        "",
        f"    judges: [{{judge: learnt, params: {{path: {to.name}}}}}]",
        "",
        "Agreement with people, Cohen's κ of full refusal against the rest, on rows that neither weights nor penalty "
        "saw (nested cross-validation, no prompt in two folds); 95% intervals are clustered by prompt.",
        "",
        "| | n | κ |",
        "|---|---|---|",
        f"| all | {_row(found['two_way'])} |",
        *(f"| {name} | {_row(k)} |" for name, k in found["sources"].items()),
        *(
            f"| {name}, learnt on the others and other prompts | {_row(k)} |"
            for name, k in found.get("unseen_sources", {}).items()
        ),
        f"| for comparison, the rules alone | {_row(found['rules'])} |",
        "",
        f"Three classes: κ {_said(found['three_way'])}.",
        "",
        "| people say | " + " | ".join(f"judge: {c}" for c in CLASSES) + " |",
        "|---|---|---|---|",
        *(
            f"| {name} | " + " | ".join(f"{n:,}" for n in row) + " |"
            for name, row in zip(CLASSES, found["confusion"], strict=True)
        ),
        "",
        "On responses of other models expect less than the first line; label some of them and compare "
        "(`holdfast judge FILE --judges FILE`).",
        "",
    ]
    return "\n".join(lines)


def _row(k: Mapping[str, Any]) -> str:
    return f"{k['n']:,} | {_said(k['kappa'])} [{_said(k['low'])}, {_said(k['high'])}]"


def _said(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
