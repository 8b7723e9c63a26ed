"""The laboratory: rooms by the thousand and real recordings to features with labels, and what learns of them.

Takes scenes and recordings. Gives a corpus of shards, models, reports. Start at strata.py and corpus.py.
The running sensor never imports it; torch is loaded by what trains, and by nothing else here."""
