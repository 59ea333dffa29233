"""The runs of a fuzzing campaign: which response of which command is mutated at which place, and seeded samples."""

from __future__ import annotations

import itertools
import random
from typing import NamedTuple

from support.mutating_proxy import Case
from support.mutations import ALPHABET, BODIES, HEADERS, STATUSES, places


class Run(NamedTuple):
    """One run: a command for one plant (all plants if empty) and the mutation of a response."""

    dialect: str
    command: str
    family: str
    case: object

    def __str__(self):
        return f"{self.dialect} {self.command} {self.family or 'all plants'}: {self.case}"


class Target(NamedTuple):
    """One response of one command that can be mutated in one way: at its places, or as a whole."""

    dialect: str
    command: str
    family: str
    call: str
    kind: str
    places: tuple
    mutations: tuple

    def __len__(self):
        return len(self.places) * len(self.mutations)

    def run(self, number):
        """Return one of its runs; every other mutation of a place concerns all responses of the call."""
        place, mutation = divmod(number, len(self.mutations))
        always = (place + mutation) % 2 == 1
        case = Case(self.call, self.kind, self.places[place], self.mutations[mutation], always)
        return Run(self.dialect, self.command, self.family, case)


def targets_of(dialect, command, family, call, response):
    """Yield the targets of one response."""
    about = dialect, command, family, call
    if response.parsed is not None:
        yield Target(*about, "value", tuple(places(response.parsed)), tuple(one.name for one in ALPHABET))
    for kind, names in (("body", BODIES), ("header", HEADERS), ("status", map(str, STATUSES))):
        yield Target(*about, kind, ((),), tuple(names))


def sampled(targets, count, seed):
    """Yield a seeded sample of runs: of every target one, then of every target another one, and so on."""
    chosen = random.Random(seed)
    order = list(targets)
    chosen.shuffle(order)
    count = min(count, sum(map(len, order)))
    # Only as many numbers as will be used: half a million numbers take 20 MB.
    rounds = next(most for most in itertools.count() if sum(min(len(target), most) for target in order) >= count)
    orders = [chosen.sample(range(len(target)), min(len(target), rounds)) for target in order]
    yield from itertools.islice(_in_turn(order, orders), count)


def _in_turn(order, orders):
    while any(orders):
        for target, numbers in zip(order, orders, strict=True):
            if numbers:
                yield target.run(numbers.pop())
