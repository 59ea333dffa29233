"""The energy of a day over its hours: sums are kept, and what is not known stays unknown."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.tariffs.spread import PriceSpan, Slot, energy_value, spread

DAY = 86400
HALVES = [PriceSpan(0, DAY // 2, 0.1), PriceSpan(DAY // 2, DAY, 0.3)]


def quarters(counters=None, powers=None):
    return [
        Slot(900 * n, 900 * n + 900, counters and counters[n], powers and powers[n])
        for n in range(96)
        if (counters and counters[n] is not None) or (powers and powers[n] is not None)
    ]


@given(
    st.floats(0.01, 500),
    st.lists(st.none() | st.floats(0, 9), min_size=96, max_size=96),
    st.lists(st.none() | st.floats(-5000, 5000), min_size=96, max_size=96),
)
def test_energies_of_the_hours_sum_to_the_day(total, steps, powers):
    counters, at = [], 0.0
    for step in steps:
        at += step or 0.0
        counters.append(None if step is None else at)
    for spans in spread(total, quarters(counters, powers), 0, DAY):
        assert math.isclose(sum(span.kwh for span in spans), total, rel_tol=1e-9)
        assert all(span.kwh >= 0 and 0 <= span.start < span.end <= DAY for span in spans)
        assert all(one.end <= other.start for one, other in pairwise(spans))


@given(st.lists(st.floats(0, 9), min_size=96, max_size=96).filter(lambda steps: sum(steps) > 0.01))
def test_value_at_two_prices_is_that_of_each_half(steps):
    counters = [math.fsum(steps[: n + 1]) for n in range(96)]
    first, second = math.fsum(steps[:48]), math.fsum(steps[48:])
    found = energy_value(first + second, quarters(counters), HALVES, 0, DAY)
    assert found == pytest.approx(0.1 * first + 0.3 * second, abs=1e-6)


def test_one_price_all_day_needs_no_samples():
    assert energy_value(10.0, [], [PriceSpan(0, DAY, -0.05)], 0, DAY) == pytest.approx(-0.5)
    assert energy_value(10.0, [], [PriceSpan(0, DAY, None)], 0, DAY) is None


def test_two_prices_without_samples_are_unknown():
    assert energy_value(10.0, [], HALVES, 0, DAY) is None
    assert energy_value(0.0, [], HALVES, 0, DAY) == 0.0


def test_energy_in_a_gap_across_a_price_change_is_unknown_unless_it_is_small():
    counters = [0.1 * n for n in range(40)] + [None] * 16 + [9.0 + 0.1 * n for n in range(40)]
    assert energy_value(12.9, quarters(counters), HALVES, 0, DAY) is None
    still = [0.1 * n for n in range(40)] + [None] * 16 + [3.9 + 0.1 * n for n in range(40)]
    assert energy_value(7.8, quarters(still), HALVES, 0, DAY) == pytest.approx(0.1 * 3.9 + 0.3 * 3.9)


def test_counter_spans_a_gap_within_one_price():
    counters = [0.1 * n for n in range(10)] + [None] * 20 + [5.0] * 66
    assert energy_value(5.0, quarters(counters), HALVES, 0, DAY) == pytest.approx(0.5)


def test_powers_are_scaled_to_the_energy_of_the_day():
    powers = [1000.0] * 48 + [3000.0] * 48  # 12 and 36 kWh
    assert energy_value(50.0, quarters(powers=powers), HALVES, 0, DAY) == pytest.approx(50 * (0.25 * 0.1 + 0.75 * 0.3))


def test_powers_are_used_where_counters_are_too_rare():
    slots = [*quarters(powers=[1000.0] * 96)[:-1], Slot(95 * 900, DAY, 24.0, 1000.0)]
    assert energy_value(24.0, slots, HALVES, 0, DAY) == pytest.approx(24 * 0.2)


def test_powers_with_a_gap_or_of_another_energy_are_not_used():
    assert energy_value(24.0, quarters(powers=[1000.0] * 80 + [None] * 16), HALVES, 0, DAY) is None
    assert energy_value(60.0, quarters(powers=[1000.0] * 96), HALVES, 0, DAY) is None


def test_unknown_price_of_an_hour_is_a_gap():
    prices = [PriceSpan(0, 43200, 0.1), PriceSpan(43200, 46800, None), PriceSpan(46800, DAY, 0.3)]
    counters = [0.25 * (n + 1) for n in range(96)]
    assert energy_value(24.0, quarters(counters), prices, 0, DAY) == pytest.approx(24 / 23 * (1.2 + 3.3))
    prices[1] = PriceSpan(43200, 50400, None)
    assert energy_value(24.0, quarters(counters), prices, 0, DAY) is None
