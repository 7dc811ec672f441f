"""Reference log-probs: what the base model gives each response token, computed once and kept.

An example's sequences are run by themselves, with the adapter off, so that the bytes depend on nothing but the
example, the base model and the numerics. They are keyed by that content and serve every seed, variant and pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Sequence as Seq
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from holdfast.models import adapters, head
from holdfast.models.layouts import arrange
from holdfast.models.network import Network
from holdfast.store.digest import digest, short
from holdfast.store.files import sweep
from holdfast.store.locks import lock
from holdfast.training import sealed
from holdfast.training.batches import Group

CHUNK = 256  # examples a file: what a killed run loses at most


def reference_logps(
    network: Network,
    groups: Seq[Group],
    cache: Path,
    numerics: Mapping[str, Any],
    head_kind: head.HeadKind = "frozen",
    progress: Callable[[int, int], None] = lambda done, of: None,
    say: Callable[[str], None] = lambda text: None,
) -> dict[Group, Tensor]:
    """Each group's (N,) fp32 log-probs under the base, its sequences' response tokens in order.

    ``cache`` is the folder that all runs share; a second process that wants the same rows waits and reads them.
    A file there that is not what was written is named (``say``) and made again.
    """
    folder = cache / short(digest({"base": network.digest, "numerics": numerics, "head": head_kind}))
    keys = {group: _key(group) for group in groups}
    known: dict[str, Tensor] = {}
    # Runs of one study start together and want the same rows: one computes them, the others wait and read.
    with lock(folder, wait=True):
        sweep(folder)
        for file in sorted(folder.glob("*.safetensors")):
            try:
                known |= sealed.read(file, folder.name)[0]
            except sealed.Altered as error:
                say(f"reference log-probs in {folder} are made again ({error})")
                file.unlink(missing_ok=True)
        missing = [g for g, key in keys.items() if key not in known]
        for at in range(0, len(missing), CHUNK):
            fresh = {keys[g]: _alone(network, g, head_kind) for g in missing[at : at + CHUNK]}
            sealed.write(folder / f"{short(digest(sorted(fresh)))}.safetensors", fresh, {"of": folder.name})
            known |= fresh
            progress(min(at + CHUNK, len(missing)), len(missing))
    return {group: known[key] for group, key in keys.items()}


def _key(group: Group) -> str:
    return digest([[s.ids, s.start] for s in group])


def _alone(network: Network, group: Group, head_kind: head.HeadKind) -> Tensor:
    # By itself, and padded whatever the study's layout: in a batch the rounding would depend on which rows share it,
    # and so on seed, budget and who asked first.
    batch = arrange(group, "padded", network.renderer.pad_id, network.device)
    with torch.no_grad(), adapters.off(network):
        return head.token_logps(network, head.hidden_ND(network, batch), batch.target_N, head_kind).cpu()
