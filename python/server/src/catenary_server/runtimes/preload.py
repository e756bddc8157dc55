"""Imported once in the forkserver, after what workers need: settles the process that workers are copied from.

It has to be the last module of the preload list. Only workers may import it otherwise: it alters the process.
"""

from __future__ import annotations

import gc
import os

from catenary_server.runtimes.environment import scrub

FORKSERVER_PROCESS_ID = os.getpid()
"""The process that imported this module: in a worker, its parent."""

# A forkserver that died and was started again has the whole environment of the front end.
scrub()
# What is imported now lives for ever. Frozen, the collector leaves it alone, and workers keep sharing its pages.
gc.collect()
gc.freeze()
