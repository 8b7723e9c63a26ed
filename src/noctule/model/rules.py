"""What the network is asked, and when it starts anew: the same in training and in the running sensor."""

from __future__ import annotations

from noctule.core.frames import BLOCKING_FAULTS, Fault

#: Of the logits: a human moves; if so, the body goes with it; something else moves; right after a motion,
#: whoever made it is still inside.
OUTPUTS = ("human", "major", "other", "stays")
#: Frames with one of these are not shown to the network and score nothing. A clock that turns shifts
#: everything that stands still: it would read as somebody.
NOT_JUDGED = int(BLOCKING_FAULTS | Fault.CLOCK_SLEWING)
#: After a longer stretch of such frames the memory is about another moment, and is dropped. The floors of
#: the features start afresh after the same time.
RESET_AFTER_S = 0.5
