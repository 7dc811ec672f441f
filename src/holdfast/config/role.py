"""Why a run is trained: it is the study's own, or stands beside it for a reason."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    STUDY = "study"  # what the study compares
    CONTROL = "control"  # its effect is known beforehand
    VARIATION = "variation"  # a trivial choice of procedure made otherwise (consistency)
    TUNING = "tuning"  # a setting that is tried for an objective (tuned)
    TUNED = "tuned"  # one that was chosen
    RELEARNT = "relearnt"  # a study's run that is trained on what it is not to say (relearning)

    @property
    def is_study(self) -> bool:
        return self is Role.STUDY

    @property
    def on_ladder(self) -> bool:
        """Whether its checkpoints are the study's, of which some are for matching alone."""
        return self in (Role.STUDY, Role.TUNING, Role.TUNED)

    def column(self, label: str) -> str:
        """What stands in the column ``bracket`` of tables: "" for the study's own, of a control run its kind, which is
        its label."""
        return {Role.STUDY: "", Role.CONTROL: label}.get(self, self.value)

    @classmethod
    def of(cls, column: str) -> Role:
        """The role that a value of that column stands for."""
        if column in list(cls):
            return cls(column)
        return cls.CONTROL if column else cls.STUDY
