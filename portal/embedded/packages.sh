#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts that a stranger starts first (portal/demo, tests/run, tests/bench/run):
# says in colour what happens, installs Debian packages that are missing, and builds a preset.
#
# Nothing is installed that is there already; without root the missing packages are named and
# the script ends. Several copies may run at once: apt waits for its lock, and one build folder
# has one builder.

if [ -t 1 ]; then bold=$'\e[1m' red=$'\e[31m' plain=$'\e[0m'; else bold='' red='' plain=''; fi
step() { printf '%s==> %s%s\n' "$bold" "$*" "$plain"; }
refuse() { printf '%s%s: %s%s\n' "$red" "${0##*/}" "$*" "$plain" >&2; exit 1; }

# PACKAGE, or PACKAGE:COMMAND where the command will do wherever it came from.
packages_build=(gcc:gcc g++:g++ cmake:cmake ninja-build:ninja pkg-config:pkg-config libevent-dev
    libjansson-dev libmariadb-dev libldap-dev libssl-dev libkainjow-mustache-dev
    libxlsxwriter-dev libhpdf-dev libcurl4-openssl-dev)
packages_site=(python3:python3 openssl:openssl mariadb-server-core mariadb-client-core slapd
    libjs-bootstrap5 tzdata fonts-dejavu-core)
packages_slurm=(munge slurmctld slurmd slurmdbd slurm-client)
packages_test=(libcmocka-dev ldap-utils chromium nodejs:node npm:npm
    poppler-utils:pdftotext python3-openpyxl)

is_installed() { # PACKAGE[:COMMAND]
    local command=${1#*:}
    [ "$command" != "$1" ] && command -v "$command" >/dev/null && return 0
    [ "$(dpkg-query -W -f '${db:Status-Status}' "${1%%:*}" 2>/dev/null)" = installed ]
}

packages_missing() {
    local p
    for p in "$@"; do is_installed "$p" || printf '%s ' "${p%%:*}"; done
}

apt_get() {
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq "$@" </dev/null
}
apt_install() { apt_get install -y --no-install-recommends "$@"; }

packages_install() { # PACKAGE[:COMMAND]…
    local missing log
    read -ra missing <<<"$(packages_missing "$@")"
    [ ${#missing[@]} = 0 ] && return 0
    command -v apt-get >/dev/null ||
        refuse "lacks ${missing[*]}, and there is no apt-get here; this script knows Debian 12"
    [ "$(id -u)" = 0 ] ||
        refuse "lacks packages; as root: apt-get install --no-install-recommends ${missing[*]}"
    step "Installing ${missing[*]}"
    log=$(mktemp)
    # only when that fails are the lists of packages old or absent, and worth fetching
    apt_install "${missing[@]}" >"$log" 2>&1 ||
        { apt_get update && apt_install "${missing[@]}"; } >>"$log" 2>&1 ||
        { tail -n 20 "$log" >&2; refuse "apt-get could not install ${missing[*]}; see $log"; }
    rm -f "$log"
    missing=$(packages_missing "$@")
    [ -z "$missing" ] || refuse "apt-get succeeded, and yet these are missing: $missing"
}

# Builds TARGETS (all by default) of a preset; quiet unless it fails. Run from the root of the
# tree.
build_preset() { # PRESET [TARGET…]
    local preset=$1 folder=build/$1 log=build/$1.log
    shift
    mkdir -p "$folder"
    (
        flock 9
        [ -f "$folder/build.ninja" ] || step "Configuring $folder"
        cmake --preset "$preset" >"$log" 2>&1 || { tail -n 30 "$log" >&2; exit 1; }
        if ! ninja -C "$folder" -n "$@" | grep -q 'no work to do'; then
            step "Building $folder"
            ninja -C "$folder" "$@" >"$log" 2>&1 ||
                { grep -A 12 '^FAILED' "$log" | head -n 60 >&2; exit 1; }
        fi
    ) 9>"$folder.lock" || refuse "the build failed; all of its output is in $log"
}
