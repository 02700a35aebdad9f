"""What an edge reports of itself in texts: its version, its settings, and the sentence about its state.

The built-in profile `edge-info` carries it, as readings of the edge itself. Stores with texts keep each as a
text. In Prometheus' data model each version is a series `qilu_edge_info` with the texts as labels and the
value 1; of two versions the newer one counts.
"""

from __future__ import annotations

GROUP = "edge_info"
POINTS = ("version", "settings", "sentence_en", "sentence_zh")
"""`settings`: the first digits of a hash of all settings but those of the site and its devices, so that edges
that should be alike can be compared."""
VERSION, SETTINGS, SENTENCE_EN, SENTENCE_ZH = POINTS
MAX_CHARACTERS = 200
"""Of one text: it is a label of a series."""
