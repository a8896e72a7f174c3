# SPDX-License-Identifier: Apache-2.0
"""The ledger a second time, in memory and as plainly as it can be said: what each operation must
answer, and what the budgets must hold afterwards. Written from the words of design and headers, not
from the procedures; a random test lets both do the same and compares.

Amounts are GPU-milliseconds. An operation returns (answer, moved): the name of the answer and how
much was moved.
"""
from dataclasses import dataclass, field


@dataclass(eq=False)
class Budget:
    """What is free, held and used, of an allocation or of a member's share in one."""
    free: int = 0
    held: int = 0
    used: int = 0

    def hold(self, amount):
        self.free -= amount
        self.held += amount

    def charge(self, amount):
        self.held -= amount
        self.used += amount


@dataclass
class Allocation:
    """GPU-time of a project for a term."""
    id: int
    project: str
    until: int
    budget: Budget
    is_over: bool = False  # its term
    is_closed: bool = False  # by hand
    shares: dict = field(default_factory=dict)  # person: Budget
    lifted: set = field(default_factory=set)  # persons whose share limits no more

    def share(self, person):
        return None if person in self.lifted else self.shares.get(person)


@dataclass
class Job:
    """One job and what it holds, was charged and was given back."""
    allocation: Allocation
    share: Budget
    gpus: int
    limit: int
    hold: int
    charged: int = 0
    refunded: int = 0
    refunded_attempt: bool = False
    is_live: bool = True

    def budgets(self):
        return [b for b in (self.allocation.budget, self.share) if b]

    def rest(self):
        return self.hold - self.charged + self.refunded


class Model:
    """All budgets of a site. Keys that were used are remembered with their first answer."""

    def __init__(self):
        self.allocations = {}
        self.jobs = {}
        self.accounts = {"issued": 0, "expired": 0, "adjusted": 0, "shares": 0}
        self.answers = {}

    def do(self, key, name, **ask):
        """The operation under its key: a repeat gives the first answer as 'same'."""
        asked = (name, tuple(sorted(ask.items())))
        if key in self.answers:
            return ("same" if self.answers[key] == asked else "other_content", 0)
        answer = getattr(self, name)(**ask)
        if answer[0] in ("done", "placed"):
            self.answers[key] = asked
        return answer

    # ---- administrators

    def grant(self, allocation, gpums):
        a = self.allocations[allocation]
        if a.is_over or a.is_closed:
            return ("closed", 0)
        self.accounts["issued"] -= gpums
        a.budget.free += gpums
        return ("done", gpums)

    def revoke(self, allocation, gpums):
        a = self.allocations[allocation]
        if a.budget.free < gpums:
            return ("too_little", 0)
        self.accounts["issued"] += gpums
        a.budget.free -= gpums
        return ("done", gpums)

    def transfer(self, allocation, to_allocation, gpums):
        a, b = self.allocations[allocation], self.allocations[to_allocation]
        if a.is_over or b.is_over or b.is_closed:
            return ("closed", 0)
        if a.budget.free < gpums:
            return ("too_little", 0)
        a.budget.free -= gpums
        b.budget.free += gpums
        return ("done", gpums)

    def adjust(self, allocation, gpums):
        a = self.allocations[allocation]
        if gpums > 0 and (a.is_over or a.is_closed):
            return ("closed", 0)
        if a.budget.free + gpums < 0:
            return ("too_little", 0)
        self.accounts["adjusted"] -= gpums
        a.budget.free += gpums
        return ("done", abs(gpums))

    def expire(self, allocation):
        a = self.allocations[allocation]
        if not a.is_over:
            return ("over", 0)
        if a.budget.free == 0:
            return ("nothing", 0)
        amount = a.budget.free
        self._expire(a, amount)
        return ("done", amount)

    def share(self, allocation, person_id, gpums):
        a = self.allocations[allocation]
        if gpums < 0:
            if a.share(person_id) is None:
                return ("nothing", 0)
            moved = a.shares[person_id].free
            self.accounts["shares"] += moved
            a.shares[person_id].free = 0
            a.lifted.add(person_id)
            return ("done", moved)
        if a.is_over or a.is_closed:
            return ("closed", 0)
        s = a.shares.get(person_id, Budget())
        if gpums < s.held + s.used:
            return ("too_little", 0)
        moved = gpums - s.held - s.used - s.free
        self.accounts["shares"] -= moved
        s.free += moved
        a.shares[person_id] = s
        a.lifted.discard(person_id)
        return ("done", abs(moved))

    def refund(self, job, gpums, cause):
        assert cause
        j = self.jobs[job]
        left = j.charged - j.refunded
        if left == 0:
            return ("nothing", 0)
        if gpums > left:
            return ("too_little", 0)
        self._give_back(j, gpums or left)
        return ("done", gpums or left)

    def extend(self, job, more_ms):
        j = self.jobs[job]
        more = j.gpus * more_ms
        if not j.is_live:
            return ("over", 0)
        if j.allocation.is_over or j.allocation.is_closed:
            return ("closed", 0)
        is_lifted = j.share and j.share in [j.allocation.shares[p] for p in j.allocation.lifted]
        if j.allocation.budget.free < more or (j.share and not is_lifted and j.share.free < more):
            return ("too_little", 0)
        if is_lifted and j.share.free < more:  # it limits no more, and still counts its jobs
            self.accounts["shares"] -= more - j.share.free
            j.share.free = more
        for b in j.budgets():
            b.hold(more)
        j.hold += more
        j.limit += more_ms
        return ("done", more)

    # ---- jobs

    def place(self, job, person_id, project, gpus, limit_ms):
        """The allocation ending first that covers it, under the member's share in it."""
        amount = gpus * limit_ms
        open_ones = [a for a in self.allocations.values()
                     if a.project == project and not a.is_over and not a.is_closed]
        for a in sorted(open_ones, key=lambda a: (a.until, a.id)):
            share = a.share(person_id)
            if all(b.free >= amount for b in (a.budget, share) if b):
                self.jobs[job] = Job(a, share, gpus, limit_ms, amount)
                for b in self.jobs[job].budgets():
                    b.hold(amount)
                return ("placed", amount)
        return ("no_budget" if open_ones else "no_allocation", 0)

    def charge(self, job, gpums):
        """A part of an attempt, at a month's end."""
        j = self.jobs[job]
        j.charged += gpums
        for b in j.budgets():
            b.charge(gpums)

    def settle(self, job, gpums, refund=0):
        """The rest of the attempt's charge, what the site gives back of it, and the end."""
        self.charge(job, gpums)
        j = self.jobs[job]
        back = min(refund, j.charged - j.refunded)
        if back > 0:
            self._give_back(j, back)
        self.finish(job)

    def finish(self, job):
        j = self.jobs[job]
        rest = j.rest()
        for b in j.budgets():
            b.hold(-rest)
        if j.allocation.is_over and rest > 0:
            self._expire(j.allocation, rest)
        j.is_live = False

    # ---- what they have in common

    def _expire(self, a, amount):
        a.budget.free -= amount
        self.accounts["expired"] += amount

    def _give_back(self, j, amount):
        j.refunded += amount
        for b in j.budgets():
            b.used -= amount
            if j.is_live:
                b.held += amount
            else:
                b.free += amount
        if not j.is_live and j.allocation.is_over:
            self._expire(j.allocation, amount)

    # ---- to compare

    def rows(self):
        """{(allocation, person or 0): (free, held, used)}"""
        out = {}
        for a in self.allocations.values():
            for person, b in [(0, a.budget), *a.shares.items()]:
                out[a.id, person] = (b.free, b.held, b.used)
        return out
