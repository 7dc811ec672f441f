"""The section *For a paper*: methods and tables to copy."""

from __future__ import annotations

from holdfast.report import latex, methods
from holdfast.report.markup import Block, Group, element
from holdfast.report.reading import Findings
from holdfast.store.defuse import for_markdown
from holdfast.store.files import write_text

_LEAD = "Written from the study file and from what the run left. Read before use: it knows what was done, and not why."


def group(findings: Findings) -> Group:
    said = methods.paragraphs(findings)
    mark = findings.study.mark
    parts = [*(f"{title}. {body}" for title, body in said.items()), *([mark] if mark else [])]
    text = "\n\n".join(parts)
    write_text(findings.folder.report / "methods.md", "\n\n".join(map(for_markdown, parts)) + "\n")
    found = latex.write(findings)
    blocks = [_folded("Methods", text, prose=True)]
    blocks += [_folded(f"LaTeX: {name}", tex) for name, tex in found.items()]
    return Group(
        "paper",
        "For a paper",
        _LEAD,
        (),
        tuple(blocks),
        finding=f"The methods in words, and {len(found)} LaTeX table{'s' * (len(found) != 1)}.",
    )


def _folded(title: str, text: str, *, prose: bool = False) -> Block:
    button = element("p", element("button", "Copy", type="button", data_copy=True), cls="take")
    pre = element("pre", text, cls="prose" if prose else "")
    return Block(element("details", element("summary", title), button, pre, cls="copied"))
