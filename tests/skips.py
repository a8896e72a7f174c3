#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Names the tests that ctest's JUnit report calls skipped for any reason but a missing GPU;
exits 1 when there is one. A test that skips says why, with the word GPU when that is the
reason."""
import sys
import xml.etree.ElementTree as xml


def is_excused(test):
    return "GPU" in (test.findtext("system-out") or "")


skipped = [t for t in xml.parse(sys.argv[1]).iter("testcase")
           if t.find("skipped") is not None and not is_excused(t)]
for test in skipped:
    print(f"{test.get('name')}: was skipped, and not for want of a GPU")
sys.exit(bool(skipped))
