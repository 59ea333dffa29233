"""Texts of Growatt's fault and warning codes, by family.

Newer devices have codes of three digits, classic inverters those of their Modbus register. As a warning, the same
number means another thing. Only texts that were published with their code are here; others are shown as the number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.metrics.codes import CodeText, text_of
from heliograph.model import EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOG = "fault log of a NEO (capture device_event_log_neo_obj)"
_TWO = "two public programs agree"
_ONE = "one public program, from the portal's fault log"
_REGISTER = "register list, three public programs agree"

FAULTS: Mapping[str, CodeText] = {
    "200": CodeText("AFCI fault: electric arc", _TWO),
    "201": CodeText("leakage current too high", _TWO),
    "202": CodeText("PV voltage too high", _TWO),
    "203": CodeText("PV isolation too low", _TWO),
    "300": CodeText("grid voltage out of range", _TWO),
    "302": CodeText("no AC connection", _LOG),
    "303": CodeText("neutral and earth abnormal", _TWO),
    "304": CodeText("grid frequency out of range", _TWO),
    "402": CodeText("DC component of the output too high", _ONE),
    "404": CodeText("bus sample fault", _ONE),
    "405": CodeText("relay fault", _TWO),
    "407": CodeText("auto test failed", _ONE),
    "408": CodeText("temperature too high", _TWO),
    "409": CodeText("bus voltage too high", _ONE),
    "414": CodeText("EEPROM fault", _ONE),
    "416": CodeText("over-current", _ONE),
    "420": CodeText("GFCI fault", _ONE),
    "422": CodeText("consistency fault", _ONE),
    "425": CodeText("AFCI self-test failed", _ONE),
}
"""MIN, MIC, MID, MOD, NEO, MAX, WIT."""

CLASSIC_FAULTS: Mapping[str, CodeText] = {
    "24": CodeText("auto test failed", _REGISTER),
    "25": CodeText("no AC connection", _REGISTER),
    "26": CodeText("PV isolation too low", _REGISTER),
    "27": CodeText("leakage current too high", _REGISTER),
    "28": CodeText("DC component of the output too high", _REGISTER),
    "29": CodeText("PV voltage too high", _REGISTER),
    "30": CodeText("grid voltage out of range", _REGISTER),
    "31": CodeText("grid frequency out of range", _REGISTER),
    "32": CodeText("module too hot", _REGISTER),
}
"""Classic inverters."""

WARNINGS: Mapping[str, CodeText] = {
    "202": CodeText("surge protection of the DC side abnormal", _ONE),
    "203": CodeText("PV input shorted", _ONE),
    "204": CodeText("dry contact abnormal", _ONE),
    "205": CodeText("PV booster broken", _ONE),
    "207": CodeText("over-current of the USB port", _ONE),
    "401": CodeText("no communication with the meter", _ONE),
    "404": CodeText("EEPROM abnormal", _ONE),
    "405": CodeText("firmware versions do not match", _ONE),
}
"""MIN, MIC, MID, MOD, NEO, MAX, WIT."""

NEWER_FAMILIES = ("tlx", "max", "wit")
FAULT_TEXTS: Mapping[str, Mapping[str, CodeText]] = {
    **dict.fromkeys(NEWER_FAMILIES, FAULTS),
    "inverter": CLASSIC_FAULTS,
}
"""Texts of fault codes by family; SPH, SPF, SPA and NOAH have no published table."""
WARNING_TEXTS: Mapping[str, Mapping[str, CodeText]] = dict.fromkeys(NEWER_FAMILIES, WARNINGS)


def text_of_code(kind: EventKind, family: str, code: str) -> str:
    """Return the text of a code of a family; empty for an unknown one."""
    tables = FAULT_TEXTS if kind is EventKind.FAULT else WARNING_TEXTS
    return text_of(tables.get(family, {}), code)
