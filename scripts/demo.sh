#!/usr/bin/env bash
# A recording of somebody walking, replayed at the speed it happened: spectrum and decisions line by line.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python

recordings=${NOCTULE_SHARED_DATA:-../shared/data}
file=$recordings/ultrasense_20k_44k1/walk_by_kneeheight__walk_by.flac
if [ -r "$file" ]; then
  what="A real recording: somebody walks past a phone that plays a 20 kHz tone."
else
  file=build/demo.wav
  [ -e "$file" ] || $python -m scripts.make_demo_recording "$file"
  what="A made-up recording: the room is empty, somebody walks in, stands for 3 seconds, and walks out."
fi

cat <<EOF

  $what

  Every line is a moment. Left to right: what moves away, what stands still, what comes nearer, in metres
  a second; the brighter, the stronger the echo. On the right what noctule makes of it: the motion of this
  moment, and whether somebody is there.

EOF
OPENBLAS_NUM_THREADS=1 $python -m noctule replay --waterfall --pace "${PACE:-1}" "$file"
cat <<EOF

  This was $file. Go on with
    . .venv/bin/activate
    noctule replay FILE...      any WAV, FLAC or SigMF recording that has a tone above 15 kHz
    noctule doctor              can this machine's loudspeaker and microphones sense? what to change if not
    noctule run --headless      sense live: plays the tone, listens, prints what happens
EOF
