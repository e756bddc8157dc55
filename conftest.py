"""How often the random tests try."""

from __future__ import annotations

import os

from hypothesis import settings

# No deadlines: how long an example takes says how busy the machine is.
settings.register_profile("quick", max_examples=50, deadline=None)
settings.register_profile("thorough", max_examples=400, deadline=None)
settings.load_profile("thorough" if os.environ.get("CATENARY_THOROUGH") else "quick")
