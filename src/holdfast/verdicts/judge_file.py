"""Judges on a file of responses: what each says, how far they agree, and what people's labels make of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from holdfast import registry
from holdfast.analysis import raters
from holdfast.analysis.load import COHERENCE, PEOPLE
from holdfast.config.messages import sentence
from holdfast.config.study import JudgeSpec, ModelSpec
from holdfast.evals import outside
from holdfast.evals.judges.humans import Humans, settled
from holdfast.evals.judges.judge import Judge, JudgeModel, JudgeResources
from holdfast.evals.judges.ledger import totals
from holdfast.evals.judging import judged, readable
from holdfast.evals.outside import RESPONSES, Given
from holdfast.stats import correction
from holdfast.store.digest import digest
from holdfast.store.documents import read_yaml
from holdfast.types import Judgement, Subject, UserError
from holdfast.verdicts.result import Verdicts

Say = Callable[[str], None]


def seats(names: Sequence[str], file: Path | None) -> list[JudgeSpec]:
    """The judges that were asked for: by name, and with parameters from a YAML list (as a measure's ``judges`` in a
    study). A name that the file gives a judge takes that one. Raises ``UserError``."""
    listed = {spec.label: spec for spec in (_listed(file) if file else ())}
    chosen = [listed.get(name) or JudgeSpec(judge=name) for name in names] or list(listed.values())
    if not chosen:
        known = ", ".join(registry.names("judges"))
        raise UserError(f"name a judge with --judge, or several in a file with --judges; there are {known}")
    twice = [label for label, n in Counter(spec.label for spec in chosen).items() if n > 1]
    if twice:
        raise UserError(f"two judges are called {twice[0]}; give one of them a name of its own")
    return chosen


def judge(
    path: Path,
    specs: Sequence[JudgeSpec],
    humans: Path | None = None,
    model: ModelSpec | None = None,
    threshold: float = 0.5,
    cache: Path | None = None,
    say: Say = lambda line: None,
) -> Verdicts:
    """Judges a file of responses. ``humans``: labels in another file, in place of those in the responses' own.

    ``model``: the base, for judges that ask one. ``threshold``: the score from which a response passes, for agreement.
    ``cache``: a folder for answers that cost money. Raises ``UserError``.
    """
    judges: dict[str, Judge] = {s.label: registry.build("judges", s.judge, s.params) for s in specs}
    if humans:
        judges |= {PEOPLE: Humans(str(humans))}
    given = outside.read(path)
    pairs, said = outside.pairs(given), {}
    for cost in totals(
        one.cost(readable(one, RESPONSES, pairs), JudgeResources(cache=cache)) for one in judges.values()
    ):  # before anything is spent
        if cost.calls:
            say(str(cost))
            cost.check()
    for label, one in judges.items():
        said[label] = judged(label, one, RESPONSES, pairs, _resources(label, one.wants, model, cache))
    people = [label for label, one in judges.items() if one.name == PEOPLE]
    if not people and any(g.vote for g in given):
        people = [PEOPLE]
        said[PEOPLE] = [replace(settled(g.record.id, [g.vote] if g.vote else []), judge=PEOPLE) for g in given]
    table = _table(given, said)
    machines = [label for label in said if label not in (*people, COHERENCE)]
    if len(machines) > 2:
        table = pd.concat([table, raters.panel(table, machines)], ignore_index=True)
    asked = [j for label, some in said.items() if label in judges and label != PEOPLE for j in some]
    return Verdicts(asked, _summary(table, machines, people, said, threshold))


def _resources(label: str, wants: JudgeModel | None, base: ModelSpec | None, cache: Path | None) -> JudgeResources:
    """What the judge asks, loaded."""
    if wants is None:
        return JudgeResources(cache=cache)
    spec = wants.model or base
    if spec is None:
        raise UserError(f"the judge {label} asks the model whose responses these are; name it with --model")
    if wants.kind == "classifier":
        from holdfast.models.classifier import Classifier

        classifier: Any = Classifier(spec)
        return JudgeResources(cache=cache, classifier=classifier)
    if wants.kind == "states":
        from holdfast.models.states import States

        states: Any = States(spec)
        return JudgeResources(cache=cache, states=states)
    from holdfast.models.backend import InProcess
    from holdfast.models.identity import subject_id
    from holdfast.models.network import load

    backend = InProcess(load(spec))
    speaker = Subject(subject_id(backend.network.digest, backend.network.renderer.digest), spec.name)
    return JudgeResources(backend=backend, speaker=speaker, cache=cache)


def _listed(file: Path) -> list[JudgeSpec]:
    raw = read_yaml(file)
    if not isinstance(raw, list):
        raise UserError(f"{file} must be a list of judges, as under a measure's `judges`")
    try:
        return TypeAdapter(list[JudgeSpec]).validate_python(raw)
    except ValidationError as e:
        raise UserError(f"{file}: {sentence(e)}") from None


def _table(given: Sequence[Given], said: Mapping[str, Sequence[Judgement]]) -> pd.DataFrame:
    """A row a response and judge, as ``analysis.raters`` wants it."""
    coherent = {g.record.id: g.coherent for g in given}
    for j in said.get(COHERENCE, ()):
        coherent[j.record] = None if j.score is None else float(j.score >= 0.5)
    prompts = {g.record.id: digest(g.item.prompt) for g in given}
    rows = [
        {"record": j.record, "prompt": prompts[j.record], "coherent": coherent[j.record], "judge": label}
        | {"score": j.score, "verdict": j.label, "reason": j.reason, "weight": j.details.get("weight", 1.0)}
        for label, some in said.items()
        for j in some
    ]
    return pd.DataFrame(rows).astype({"score": float, "coherent": float})


def _summary(
    table: pd.DataFrame, machines: list[str], people: list[str], said: Mapping[str, Any], threshold: float
) -> dict[str, Any]:
    rivals = [*machines, *([raters.PANEL] if len(machines) > 2 else [])]
    wide = raters.verdicts(table, threshold)
    pairs = raters.agreements(wide, rivals, people)
    summary: dict[str, Any] = {
        "responses": len(wide),
        "prompts": int(wide["prompt"].nunique()),
        "threshold": threshold,
        "judges": {label: _counts(table[table["judge"] == label]) for label in [*said, *rivals[len(machines) :]]},
        "agreement": pairs.to_dict("records"),
    }
    if machines:
        summary |= {"judge": machines[0]} | {k: v for k, v in summary["judges"][machines[0]].items() if k in _SHORT}
    if people and machines:
        first = pairs[(pairs["judge_a"] == machines[0]) & (pairs["judge_b"] == people[0]) & (pairs["stratum"] == "all")]
        named = {"n": 0, "raw": float("nan"), "kappa": float("nan"), "alpha": float("nan")}
        summary |= {k: first.iloc[0][k] if len(first) else v for k, v in named.items()}
        strata = {"all": wide, "coherent": wide[wide["coherent"] == 1], "incoherent": wide[wide["coherent"] == 0]}
        summary["confusion"] = [
            {"judge": label, "humans": person, "stratum": name} | raters.confusion(part, label, person)
            for person in people
            for label in rivals
            for name, part in strata.items()
            if name == "all" or len(part)
        ]
        summary["pass_rate"] = [
            {"judge": label, "humans": person} | _corrected(table, wide, label, person)
            for person in people
            for label in rivals
        ]
    elif machines:
        summary |= {
            k: v for k, v in (pairs.iloc[0] if len(pairs) else {}).items() if k in ("n", "raw", "kappa", "alpha")
        }
    return summary


_SHORT = ("scored", "unscored", "share_unscored")


def _counts(rows: pd.DataFrame) -> dict[str, Any]:
    gone = rows["score"].isna()
    return {
        "scored": int((~gone).sum()),
        "unscored": int(gone.sum()),
        "share_unscored": float(gone.mean()) if len(rows) else 0.0,
        "reasons": {str(k): int(v) for k, v in rows.loc[gone, "reason"].value_counts().items()},
        "labels": {str(k): int(v) for k, v in rows.loc[~gone, "verdict"].value_counts().items()},
        "mean": float(rows["score"].mean()),
    }


def _corrected(table: pd.DataFrame, wide: pd.DataFrame, label: str, person: str) -> dict[str, Any]:
    """The share that passes, by the judge and as people would have judged it."""
    weights = table[table["judge"] == person].set_index("record")["weight"]
    rows = wide[wide[label].notna()]
    f, y, w = rows[label].to_numpy(), rows[person].to_numpy(), rows["record"].map(weights).to_numpy()
    prompts, ones = pd.factorize(rows["prompt"])[0], np.ones(len(rows))
    none = np.zeros(len(rows), dtype=int)
    found: dict[str, Any] = {}
    if len(rows):
        raw, n = correction.rate(f, prompts, none, ones)
        errors = correction.error_rates(f, y, w)
        by_errors = correction.rogan_gladen(raw, n, errors) if errors else correction.NOTHING
        by_labels = correction.prediction_powered(f, y, prompts, w, ones, none)
        both = {"prediction_powered": by_labels, "rogan_gladen": by_errors}
        said = {k: {"value": x.value, "low": x.low, "high": x.high, "n_labels": x.effective_n} for k, x in both.items()}
        found = {"raw": raw} | said
    return found
