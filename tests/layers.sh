#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Fails on any #include "…" that draws an arrow the layers do not allow, and on any foreign library
# that is included outside the folder that may know it.
set -u
cd "$(dirname "$0")/.." || exit 2

# folder            may include (folders; each may always include itself)
arrows='
runner/base
runner/job          runner/base
runner/proto        runner/base runner/job
runner/sched        runner/base runner/job
runner/exec         runner/base runner/job runner/proto
runner/gpu          runner/base
auth                runner/base
quota/db            runner/base
quota               runner/base runner/job quota/db
quota/cli           runner/base runner/job runner/proto auth quota/db quota
portal/pages        runner/base runner/job runner/proto auth quota/db quota portal
portal/api          runner/base runner/job runner/proto auth quota/db quota portal
portal              runner/base runner/job runner/proto auth quota/db quota portal/pages portal/api
runner/daemon       runner/base runner/job runner/proto runner/sched runner/exec quota/db quota runner/gpu
runner/agent        runner/base runner/job runner/proto
runner/task         runner/base runner/job runner/gpu
'
# library header      the folders that may include it
foreign='
mysql               quota/db
mariadb             quota/db
ldap                auth
lber                auth
event2              runner/base portal portal/pages portal/api
openssl             runner/base portal
kainjow             portal
xlsxwriter          quota
hpdf                quota
curl                quota/cli
'
bad=0
complain() { echo "$1"; bad=1; }

folder_of() { # the longest folder of the table that holds the file
    local dir=${1%/*}
    while [ -n "$dir" ]; do
        grep -q "^$dir\( \|$\)" <<<"$arrows" && { echo "$dir"; return; }
        [ "$dir" = "${dir%/*}" ] && return
        dir=${dir%/*}
    done
}

while IFS=: read -r file line text; do
    from=$(folder_of "$file")
    to=$(sed -E 's/.*"([^"]+)".*/\1/' <<<"$text")
    [ -z "$from" ] && { complain "$file:$line: its folder is not in the table of layers"; continue; }
    case $to in */*) ;; *) complain "$file:$line: \"$to\" is not written from the root"; continue ;; esac
    target=$(folder_of "$to")
    [ "$target" = "$from" ] && continue
    grep "^$from\( \|$\)" <<<"$arrows" | tr -s ' ' '\n' | tail -n +2 | grep -qx "$target" ||
        complain "$file:$line: $from may not include $target"
done < <(grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' -r portal quota runner auth --include='*.c' --include='*.h' --include='*.cc' --include='*.cu')

while read -r header folders; do
    [ -z "$header" ] && continue
    while IFS=: read -r file line _; do
        dir=${file%/*}
        case " $folders " in *" $dir "*) ;; *) complain "$file:$line: $header is known only to $folders" ;; esac
    done < <(grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*<$header[./]" -r portal quota runner auth --include='*.[ch]' --include='*.cc')
done <<<"$foreign"

exit $bad
