"""``twin:0`` and ``twin:1``: two devices of torch on one processor (``twin.cpp``), for the process that asks."""

from __future__ import annotations

import types
from pathlib import Path

import torch
from torch.utils import cpp_extension


def register() -> None:
    """Builds it on first use, a quarter of a minute, where torch keeps what it builds."""
    source = Path(__file__).with_name("twin.cpp")
    cpp_extension.load("twin", [str(source)], extra_cflags=["-O0"], is_python_module=False)
    torch.utils.rename_privateuse1_backend("twin")
    module = types.ModuleType("torch.twin")
    module.device_count = lambda: 2  # type: ignore[attr-defined]
    module.current_device = lambda: 0  # type: ignore[attr-defined]
    module.is_available = lambda: True  # type: ignore[attr-defined]
    module._is_in_bad_fork = lambda: False  # type: ignore[attr-defined]
    module.get_amp_supported_dtype = lambda: [torch.bfloat16]  # type: ignore[attr-defined]
    module.manual_seed_all = lambda seed: None  # type: ignore[attr-defined]
    torch._register_device_module("twin", module)
