import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for fabricate.py, which other tests may borrow

from fabricate import fabricate, study_of

from holdfast.analysis.estimates import estimates
from holdfast.analysis.load import configs, load_records
from holdfast.store.folder import StudyFolder


class Made:
    """A fabricated study, read back and analysed."""

    def __init__(self, root: Path):
        self.study = fabricate(root, study=study_of(seeds=(0, 1), budgets=(20_000, 40_000)), prompts=14)
        self.folder = StudyFolder(root)
        self.frame, self.configs = load_records(self.folder), configs(self.folder)
        self.estimates = estimates(self.frame, self.configs, self.study)


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Made:
    return Made(tmp_path_factory.mktemp("fabricated"))
