#!/usr/bin/env bash
# Installs what the build needs from the system, or says what to install. With the argument
# "fuzz" also clang, which brings libFuzzer.
set -euo pipefail

say() { printf 'ragtune: %s\n' "$*" >&2; }

debian() {
  local packages=(g++ python3-dev python3-venv libsimdjson-dev
    libeigen3-dev libxxhash-dev libstemmer-dev ccache git)
  [ "${1:-}" = fuzz ] && packages+=(clang libclang-rt-dev)
  local missing=()
  for package in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local sudo=""
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { say "run as root: apt-get install ${missing[*]}"; exit 1; }
    sudo=sudo
  fi
  say "installing ${missing[*]}"
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" >/dev/null
}

if [ -n "${CONDA_PREFIX:-}" ]; then
  say "conda: needs simdjson eigen xxhash cxx-compiler ccache"
  say "  conda install -c conda-forge simdjson eigen xxhash cxx-compiler ccache"
elif command -v apt-get >/dev/null; then
  debian "$@"
elif [ "$(uname)" = Darwin ]; then
  for formula in simdjson eigen xxhash libomp ccache; do
    brew list "$formula" >/dev/null 2>&1 || missing="${missing:-} $formula"
  done
  [ -z "${missing:-}" ] || { say "run: brew install$missing"; exit 1; }
else
  say "needs a C++20 compiler, OpenMP and git; simdjson, Eigen, xxHash and Snowball are"
  say "fetched if the system lacks them (see CONTRIBUTING.md)"
fi
