"""Who is measured: the base of each model, every checkpoint, and what is given."""

from __future__ import annotations

import json
from collections.abc import Sequence

from holdfast.config.run import Run
from holdfast.config.study import GivenSpec
from holdfast.evals.subject import SubjectRow
from holdfast.models.identity import subject_id
from holdfast.runs.materials import Materials
from holdfast.store.folder import StudyFolder
from holdfast.store.sources import adapter_folder
from holdfast.training.job import check_checkpoint
from holdfast.types import UserError


def subjects(materials: Materials, folder: StudyFolder, runs: Sequence[Run]) -> list[SubjectRow]:
    """The rows of ``subjects.parquet``, once these are trained.

    Raises UserError where two subjects have the same weights: their records could not be told apart.
    """
    bases = {m: (materials.model_digest(m), materials.renderer(m).digest) for m in materials.models}
    rows = [SubjectRow(subject_id(*bases[m]), m) for m in bases]
    for t in runs:
        for budget in t.measured:
            adapter = folder.run(t.id).checkpoint(budget)
            check_checkpoint(adapter)
            rows.append(
                SubjectRow(
                    subject=subject_id(*bases[t.model], adapter),
                    model=t.model,
                    task=t.task,
                    label=t.label,
                    objective=t.objective,
                    params=json.dumps(t.params, sort_keys=True),
                    seed=t.seed,
                    budget=budget,
                    bracket=t.role.column(t.label),
                    trajectory=t.id,
                    adapter=str(adapter.relative_to(folder.root)),
                )
            )
    for given in materials.study.given:
        model = given.model or materials.study.models[0].name
        rows.append(
            SubjectRow(
                subject=_given_id(materials, given, model),
                model=model,
                task=given.task,
                label=given.label,
                seed=given.seed,
                budget=given.budget,
                adapter=str(adapter_folder(given.adapter).resolve()) if given.adapter else "",
                weights=given.weights.name if given.weights else "",
            )
        )
    _distinct(rows)
    return rows


def _given_id(materials: Materials, given: GivenSpec, model: str) -> str:
    if given.weights:
        name = given.weights.name
        return subject_id(materials.model_digest(name), materials.renderer(name).digest)
    assert given.adapter is not None
    return subject_id(materials.model_digest(model), materials.renderer(model).digest, adapter_folder(given.adapter))


def _distinct(rows: list[SubjectRow]) -> None:
    """Records are kept by content, so two checkpoints with the same weights could not be told apart. One run may go by
    two labels: a setting that is tried for one objective may be another's own."""
    first: dict[str, SubjectRow] = {}
    for row in rows:
        twin = first.setdefault(row.subject, row)
        if twin is not row and not row.trajectory == twin.trajectory != "":
            if not row.trajectory:  # it was trained elsewhere, at no budget
                raise UserError(f"{row.label} has the same weights as {twin.label}: leave one of them out")
            raise UserError(
                f"{row.label} at {row.budget:,} tokens has the same weights as {twin.label} at {twin.budget:,}: on "
                "these rows the two do not differ, so leave one of them out or raise the budget"
            )
