#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Fails on functions that the house style forbids, on SQL outside quota/db, and on files without the
# licence line.
set -u
cd "$(dirname "$0")/.." || exit 2
bad=0
report() { [ -n "$2" ] && { printf '%s\n%s\n' "$1" "$2"; bad=1; }; }
sources=(portal quota runner auth)

report 'Forbidden functions:' \
    "$(grep -nE '\b(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|gets|system|alloca|popen)\(' -r "${sources[@]}" --include='*.[ch]')"
report 'SQL outside quota/db:' \
    "$(grep -nE '"(SELECT|INSERT|UPDATE|DELETE|CALL) ' -r "${sources[@]}" --include='*.[ch]' | grep -v '^quota/db/')"
report 'Files without the licence line:' \
    "$(find "${sources[@]}" tests CMakeLists.txt \( -name '*.[ch]' -o -name '*.cc' -o -name '*.sh' -o -name '*.py' -o -name '*.sql' -o -name CMakeLists.txt \) -not -path '*/node_modules/*' -exec grep -L 'SPDX-License-Identifier: Apache-2.0' {} +)"
exit $bad
