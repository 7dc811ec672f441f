"""Bases in four bits: how transformers is told to load them, or one sentence that says why not."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
import transformers

from holdfast.types import UserError

if TYPE_CHECKING:
    from holdfast.config.study import ModelSpec


def options(spec: ModelSpec, config: Any, dtype: torch.dtype, device: torch.device) -> dict[str, Any]:
    """Arguments of ``from_pretrained``; empty for plain weights. NF4 with double quantisation (Dettmers et al. 2023,
    arXiv 2305.14314) where the study asks for it, else what the folder itself says.

    Raises ``UserError`` for another quantisation, and where there is no GPU or no bitsandbytes.
    """
    own = getattr(config, "quantization_config", None)
    method = own.get("quant_method") if isinstance(own, Mapping) else getattr(own, "quant_method", None)
    if own is not None and "bitsandbytes" not in str(method):
        raise UserError(f"the model {spec.name} is quantised by {method}, which holdfast does not read: give its base")
    if own is None and spec.quantization == "none":
        return {}
    if device.type != "cuda" or importlib.util.find_spec("bitsandbytes") is None:
        raise UserError(
            f"the model {spec.name} in 4 bits needs a CUDA GPU and the package bitsandbytes: set `quantization: none` "
            "and give a base that is not quantised"
        )
    if own is not None:
        return {"device_map": {"": device}}
    four = transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    return {"device_map": {"": device}, "quantization_config": four}
