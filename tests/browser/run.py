# SPDX-License-Identifier: Apache-2.0
"""Starts a site and runs browser tests on it: run.py TEST.mjs. Screenshots go below the build
folder."""
import dataclasses
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "flow"))

import shutil  # noqa: E402

import sites  # noqa: E402
from portal.embedded import people  # noqa: E402


def main(test):
    site = sites.new_site()
    try:
        site.start()
        everybody = [dict(dataclasses.asdict(p), password=p.password) for p in people.PEOPLE]
        second = json.loads(site.quota(
            "grant", "genome", 2, "--from", "2020-01-01", "--until", "2099-04-01", "--reason",
            "so that there is something to choose", "--yes", "--format", "json").stdout)
        told = {"url": site.url, "ca": str(site.ca), "people": everybody,
                "second": second[0]["number"]}
        shots = sites.BUILD / "browser" / pathlib.Path(test).stem
        done = subprocess.run(["node", test], cwd=HERE, env={
            **os.environ, "FIREFLY_SITE": json.dumps(told), "FIREFLY_SHOTS": str(shots)})
        complaints = site.stop()
    finally:
        site.stop()
        shutil.rmtree(site.folder.parent, ignore_errors=True)
    print("\n".join(complaints))
    return 1 if complaints else done.returncode


sys.exit(main(sys.argv[1]))
