#!/usr/bin/env bash
# Everything noctule needs on a Debian machine. Run it as often as you like.
#
#   scripts/setup.sh          Python environment in .venv, PortAudio
#   scripts/setup.sh lab      PyTorch and what trains, exports and evaluates models
#   scripts/setup.sh tests    sound servers, MQTT broker, voice and browser that the integration tests start
#
# As root, or with sudo, missing system packages are installed. Without either it says which ones are
# missing and what that costs, and goes on with the rest.
set -euo pipefail
cd "$(dirname "$0")/.."

RUNTIME_PACKAGES=(libportaudio2)
# never pipewire-alsa beside pulseaudio: both want to be ALSA's default
TEST_PACKAGES=(pipewire pipewire-pulse wireplumber dbus libasound2-plugins alsa-utils
  pulseaudio pulseaudio-utils jackd2 jack-tools sox mosquitto espeak-ng chromium fonts-dejavu-core)

say() { printf 'setup: %s\n' "$*" >&2; }

# Print the command prefix that makes us root; fail when there is none.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    echo env
  elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    echo sudo
  else
    return 1
  fi
}

missing_packages() {
  local name
  for name in "$@"; do
    dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || echo "$name"
  done
}

# install_packages WHAT-FOR NAME...: install what is missing; 1 when that was not possible.
install_packages() {
  local purpose=$1 root missing
  shift
  if ! command -v dpkg-query >/dev/null; then
    say "this is no Debian: install for yourself what stands for: $* ($purpose)"
    return 1
  fi
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  if ! root=$(as_root); then
    say "missing system packages ($purpose): ${missing[*]}"
    say "neither root nor sudo here; somebody who is runs: apt-get install --no-install-recommends ${missing[*]}"
    return 1
  fi
  say "installing ${missing[*]} ($purpose)"
  if [[ " ${missing[*]} " == *" jackd2 "* ]] && command -v debconf-set-selections >/dev/null; then
    # it asks about real-time priority otherwise
    echo 'jackd2 jackd/tweak_rt_limits boolean false' | $root debconf-set-selections
  fi
  # --no-remove: another sound set-up of this machine is not ours to take away
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends --no-remove
    "${missing[@]}")
  if ! $root "${install[@]}" >/dev/null 2>&1; then
    # unknown or gone: the package lists are missing or old
    $root apt-get update -q >/dev/null || true
    if ! $root "${install[@]}" >&2; then
      say "could not be installed ($purpose): ${missing[*]}"
      return 1
    fi
  fi
}

# The newest Python that noctule's pinned packages are tried with comes last.
find_python() {
  local name
  for name in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      command -v "$name"
      return
    fi
  done
  say "Python 3.11 or newer is needed, and not here (python3 is $(python3 -V 2>&1 || true)); apt-get install python3"
  return 1
}

make_venv() {
  local python version
  if [ -x .venv/bin/python ] && .venv/bin/python -c 'import pip' 2>/dev/null; then
    return
  fi
  python=$(find_python)
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    install_packages "to make a Python environment" "python$version-venv" || {
      say "$python has no venv: install the package python$version-venv, then run this again"
      return 1
    }
  fi
  say "Python environment in .venv, from $("$python" -V)"
  "$python" -m venv --clear .venv
}

setup_product() {
  install_packages "to use sound cards" "${RUNTIME_PACKAGES[@]}" ||
    say "going on without: recordings work, live sensing does not"
  make_venv
  say "Python packages as in constraints.txt; takes about a minute"
  .venv/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]'
  touch .venv/product-is-set-up
}

setup_lab() {
  say "what trains models, PyTorch above all; takes about a minute"
  .venv/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev,train]'
  touch .venv/lab-is-set-up
}

setup_tests() {
  install_packages "for the tests on real sound servers, with a broker and a voice" "${TEST_PACKAGES[@]}" || {
    say "going on without: those tests will be skipped"
    return 0
  }
  touch .venv/tests-are-set-up
}

case "${1:-product}" in
  product) setup_product ;;
  lab) setup_lab ;;
  tests) setup_tests ;;
  *) say "unknown part '$1': product, lab or tests"; exit 2 ;;
esac
