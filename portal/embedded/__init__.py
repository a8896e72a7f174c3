# SPDX-License-Identifier: Apache-2.0
"""A whole Firefly site in one folder of one machine: database, directory, daemons, people.

Used by portal/demo, by the flow tests and by the benches; nothing here is needed to run a real
site. Python's standard library only. stack.py puts the parts together; read it first."""
