"""What every part of a study file is, and the types that its fields share."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic_core import CoreSchema

LONGEST = 100  # characters of a label, so that file names made with it (255 bytes) have room for digests
LARGEST = 10**15  # of a number; what is beyond it is a slip of the hand, and beyond 2**63 no table holds it
_SCALARS = frozenset({"bool", "int", "float", "str"})


def strict(schema: Any) -> Any:
    """The schema with every scalar in it held to its own type: no ``true`` or ``"3"`` for a number, no 3 for a text. A
    whole number is a number, and a list becomes a tuple. A number without bounds of its own gets ``LARGEST``."""
    if isinstance(schema, dict):
        if schema.get("type") in _SCALARS:
            schema["strict"] = True
        if schema.get("type") in ("int", "float"):
            if not {"le", "lt"} & schema.keys():
                schema["le"] = LARGEST
            if not {"ge", "gt"} & schema.keys():
                schema["ge"] = -LARGEST
        for inner in schema.values():
            strict(inner)
    elif isinstance(schema, (list, tuple)):
        for inner in schema:
            strict(inner)
    return schema


class Strict:
    """``Annotated[annotation, Strict()]`` is the annotation by ``strict``."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return strict(handler(source))


def _label(text: str) -> str:
    """A label stands in tables, file names and terminals: one short line of what can be seen."""
    if not text.strip() or text != text.strip():
        raise ValueError("should be a label: text that neither is empty nor begins or ends with a space")
    if len(text) > LONGEST:
        raise ValueError(f"should be a label of at most {LONGEST} characters, and has {len(text)}")
    if not text.isprintable():
        raise ValueError("should be a label: text without line breaks and characters that cannot be seen")
    if re.search(r"(^|[/\\])\.{1,2}([/\\]|$)", text):
        raise ValueError("should be a label, and no path: . and .. between slashes stand for folders")
    return text


def _folder(text: str) -> str:
    """A study's name is a folder's, too."""
    if re.search(r"[/\\]|^\.", text):
        raise ValueError("should be a name for a folder: without slashes, and without a dot in front")
    return text


Label = Annotated[str, AfterValidator(_label)]
FolderName = Annotated[Label, AfterValidator(_folder)]

# A field of these types has these bounds: pydantic does not let it state nearer ones beside them.
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Rate = Annotated[float, Field(gt=0, le=10)]  # learning rates
Temperature = Annotated[float, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Tokens = Annotated[int, Field(ge=1)]  # of a budget
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # -1 stands for "over all seeds" in tables


class Spec(BaseModel):
    """Frozen and strict; an unknown key, infinity and NaN are errors. Defaults are validated too: 32 and 32.0 are one
    value. ``unsaid``: fields that came later, which go unsaid at their default, so that texts, digests and ids of a
    file that does not name them are what they were before."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)
    unsaid: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _said(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        return {k: v for k, v in plain(self).items() if k not in self.unsaid or v != fields[k].default}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return strict(handler(source))
