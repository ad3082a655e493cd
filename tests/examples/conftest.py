from __future__ import annotations

import sys
from pathlib import Path

# As when an example is run by its path: its folder comes first.
sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
