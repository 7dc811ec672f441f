"""What a subject is, as a digest. No torch: planning and responding ask for it too."""

from __future__ import annotations

from pathlib import Path

from holdfast.store.adapter_files import adapter_digest
from holdfast.store.digest import digest


def subject_id(base: str, template: str, adapter: Path | str | None = None) -> str:
    """The id of a subject: its base (``model_digest``), template (``Renderer.digest``) and adapter folder's content."""
    return digest({"base": base, "template": template, "adapter": None if adapter is None else adapter_digest(adapter)})
