"""Makes the model provider ``holdfast`` known to Inspect, which loads this by its entry point.

Torch is loaded when a model is first made, not when Inspect starts.
"""

from __future__ import annotations

from inspect_ai.model import ModelAPI, modelapi


@modelapi("holdfast")
def holdfast() -> type[ModelAPI]:
    from holdfast.interop.inspect_model import HoldfastAPI

    return HoldfastAPI
