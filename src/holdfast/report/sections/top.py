"""What is said first, on the page and in the terminal: warnings, the answer with its reservations, what to choose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from holdfast.analysis.answer import in_short, sentences
from holdfast.analysis.answer_rows import answer_rows
from holdfast.analysis.gate import NO_ANSWER as SILENT
from holdfast.analysis.recommend import Recommendation, recommend
from holdfast.analysis.regimes import TUNED
from holdfast.config import decisions
from holdfast.config.run import planned, still_warming_up
from holdfast.report import words
from holdfast.report.phrases import phrase, phrases
from holdfast.report.reading import Findings, Setting
from holdfast.report.sections import reservations
from holdfast.report.sections.fairness import differing
from holdfast.report.sections.first_table import numbers

SILENCE = 0.05  # of the answers of one subject, from where it is said above all else


@dataclass(frozen=True)
class Said:
    """``answer``: the measure that a sentence is about ("" for none), the rest of it, and the reservation that touches
    it ("" for none). ``short``: what of it is shown, in the same form. ``advice``: what leads to it and a
    recommendation, one for every regime that has findings."""

    short: tuple[tuple[str, str, str], ...]
    answer: tuple[tuple[str, str, str], ...]
    advice: tuple[tuple[str, Recommendation], ...]


def said(s: Setting) -> Said:
    study, configs = s.findings.study, s.findings.configs
    shared = recommend(s.answers(), study, configs)
    advice = [("", shared)] if study.trains else []  # an audit asks what was done to each, and weighs none
    if len(found := s.answers(TUNED)):
        tuned = recommend(found, study, configs)
        tuned = replace(tuned, text="the same.", steps=()) if tuned == shared else tuned
        advice.append(("With each objective at its own learning rate and coefficient: ", tuned))
    names = {str(n).lower() for n in answer_rows(s.answers(), study, configs)["name"]}
    against = reservations.of(s)

    def parts(told: list[str]) -> Iterator[tuple[str, str, str]]:
        for text in told:
            lead, _, rest = text.partition(": ")
            about = bool(rest) and lead.split(", ")[-1].lower() in names
            yield (lead, rest, reservations.beside(lead, s, against)) if about else ("", text, "")

    short = in_short(s.answers(), study, configs)
    answer = sentences(s.answers(), study, configs, s.table("needed"))
    return Said(tuple(parts(short)), tuple(parts(answer)), tuple(advice))


def warnings(findings: Findings) -> list[str]:
    """What must be known before the answer is believed. Other caveats are the answer's own."""
    stopped = decisions.stopped(findings.study, findings.folder)
    said = phrases("warnings", {"unlike": (unlike := differing(findings)), "ended": stopped}, unlike=unlike)
    early = [f"{note[0].upper()}{note[1:]}." for note in still_warming_up(planned(findings.folder), findings.study)]
    return [*said, *early, *silences(findings)]


def silences(findings: Findings) -> Iterator[str]:
    """Who says nothing: a rate of harm is then of the rest."""
    for setting in findings.settings():
        found = numbers(setting, setting.last)
        found = found[found[SILENT].astype(float) > SILENCE] if len(found) else found
        titles = {s.measure: s.title for s in setting.shown}
        for r in found.to_dict("records"):
            title = words.lower(titles[r["measure"]])
            yield phrase("warnings.silent", share=r[SILENT], who=r["objective"], title=title)
