"""Imported once in the forkserver, after what workers need: settles the process that workers are copied from.

It has to be the last module of the preload list. Only workers may import it otherwise: it alters the process.
"""

from __future__ import annotations

import gc
import os

from catenary_server.runtimes.environment import scrub
from catenary_server.runtimes.lifeline import die_with_parent

FORKSERVER_PROCESS_ID = os.getpid()
"""The process that imported this module: in a worker, its parent."""

# A forkserver ends by itself only when the front end and all workers are gone: workers that hang would keep it.
die_with_parent()
# A forkserver that died and was started again has the whole environment of the front end.
scrub()
# What is imported now lives for ever. Frozen, the collector leaves it alone, and workers keep sharing its pages.
gc.collect()
gc.freeze()
