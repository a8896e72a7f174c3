# SPDX-License-Identifier: Apache-2.0
"""What no node of the cluster could ever run is refused at once, with what would do."""
import html

import sites

REQUEST = {"project": "climate", "name": "n", "gpus_per_node": 1, "gpu_type": "a100",
           "time_limit": "10m", "script": "true"}


class Room(sites.SiteTest):
    """Eight a100 on this machine, and two h100 on one that is only told of."""

    def setUp(self):
        self.site.sql("INSERT INTO node VALUES "
                      "('n9', 'local', 'h100', 2, 8, 1, 'up', '', now_ms())")
        self.addCleanup(self.site.sql, "DELETE FROM node WHERE name = 'n9'")
        self.wait_for_worker()

    def wait_for_worker(self):
        """The portal looks at the cluster every few seconds: a new one knows at once."""
        self.site.stop_one("portald")
        self.site.start_one("portald")

    def refused(self, **fields):
        reply = self.alice.try_submit_json({**REQUEST, **fields})
        self.assertEqual(reply.status, 422, reply.body)
        return reply.json()

    def test_a_job_that_never_could_run_is_refused_with_what_would(self):
        jobs = self.site.sql("SELECT COUNT(*) FROM job")
        said = self.refused(gpu_type="h100", gpus_per_node=3)
        self.assertEqual(said["detail"], "The largest node with h100 has 2 h100, and the job asks "
                                         "for 3 on each.")
        self.assertIn("Ask for at most 2 per node, or for more nodes.", str(said))
        said = self.refused(gpu_type="h100", nodes=2)
        self.assertEqual(said["detail"], "1 node of the cluster has 1 h100 or more, and the job "
                                         "asks for 2 such nodes.")
        said = self.refused(nodes=2, gpus_per_node=4, gpu_type="any")
        self.assertIn("Ask for one node, or for at most 2 GPUs per node.", str(said))
        said = self.refused(gpu_type="b200")
        self.assertIn("No node of the cluster has GPUs of the type b200.", str(said))
        self.assertIn("a100, h100", str(said))
        said = self.refused(gpus_per_node=9)
        self.assertIn("The largest node has 8 a100: ask for at most 8 per node, or for more "
                      "nodes.", str(said))
        self.assertEqual(jobs, self.site.sql("SELECT COUNT(*) FROM job"))

    def test_the_form_says_it_beside_the_field(self):
        alice = self.alice
        reply = alice.try_submit(project="climate", name="n", gpu_type="h100", gpus_per_node=3,
                                 time_limit="10m", script="true")
        text = html.unescape(reply.body.decode())
        self.assertEqual(reply.status, 422)
        self.assertIn("At most 2 per node", text)
        self.assertIn("Ask for at most 2 per node, or for more nodes.", text)

    def test_a_node_that_nobody_has_told_of_for_a_day_is_gone(self):
        self.site.sql("UPDATE node SET seen_ms = seen_ms - 2 * 86400000 WHERE name = 'n9'")
        self.wait_for_worker()
        self.assertIn("No node of the cluster has GPUs of the type h100.",
                      str(self.refused(gpu_type="h100")))


if __name__ == "__main__":
    sites.main()
