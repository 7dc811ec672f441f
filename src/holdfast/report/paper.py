"""The section *For a paper*: methods and tables to copy."""

from __future__ import annotations

from html import escape

from holdfast.report import latex, methods
from holdfast.report.markup import Block, Group
from holdfast.report.reading import Findings
from holdfast.store.files import write_text

_LEAD = "Written from the study file and from what the run left. Read before use: it knows what was done, and not why."


def group(findings: Findings) -> Group:
    said = methods.paragraphs(findings)
    mark = findings.study.mark
    text = "\n\n".join([*(f"{title}. {body}" for title, body in said.items()), *([mark] if mark else [])])
    write_text(findings.folder.report / "methods.md", text + "\n")
    found = latex.write(findings)
    blocks = [_folded("Methods", text, prose=True)]
    blocks += [_folded(f"LaTeX: {name}", tex) for name, tex in found.items()]
    return Group(
        "paper",
        "For a paper",
        _LEAD,
        (),
        tuple(blocks),
        finding=f"The methods in words, and {len(found)} LaTeX tables.",
    )


def _folded(title: str, text: str, *, prose: bool = False) -> Block:
    css = " class=prose" if prose else ""
    return Block(
        f"<details class=copied><summary>{escape(title)}</summary>"
        f'<p class="take"><button type="button" data-copy>Copy</button></p><pre{css}>{escape(text)}</pre></details>'
    )
