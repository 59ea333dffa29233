"""Settings of classic inverters and off-grid storage (`tcpSet.do`), and of the plant form."""

from __future__ import annotations

from heliograph.vendors.growatt.settings.schema import choice, entry, moment, number, percent, switch, text

_CLASSIC = "growattServer; read back: its example of the portal's page"

CLASSIC = (
    entry(
        "power_switch",
        "pv_on_off",
        [switch("value", "onOff", ("0001", "0000"))],
        "Inverter on or off",
        _CLASSIC,
        meaning="Off stops generation until it is switched on again.",
    ),
    entry("active_power_rate", "pv_active_p_rate", [percent("value", "activeRate")], "Output power limit", _CLASSIC),
    entry("clock", "pf_sys_year", [moment("value", "sysTime")], "Date and time", _CLASSIC),
    entry(
        "reactive_power",
        "pv_reactive_p_rate",
        [percent("value", ""), choice("direction", "", {"over": "over", "under": "under"})],
        "Reactive power",
        "growattServer, where over is inductive; the vendor's V1 text says capacitive",
        risk="grid-code",
    ),
    entry(
        "power_factor",
        "pv_power_factor",
        [number("value", "pf", -1, 1, step=0.01, excluded=(-0.8, 0.8))],
        "Power factor",
        _CLASSIC,
        risk="grid-code",
    ),
    entry(
        "grid_voltage_high",
        "pv_grid_voltage_high",
        [number("value", "voltageHighLimit", 200, 300, "V", step=0.1)],
        "Highest grid voltage",
        _CLASSIC,
        risk="grid-code",
    ),
    entry(
        "grid_voltage_low",
        "pv_grid_voltage_low",
        [number("value", "voltageLowLimit", 100, 240, "V", step=0.1)],
        "Lowest grid voltage",
        _CLASSIC,
        risk="grid-code",
    ),
)

STORAGE = (
    entry(
        "output_source",
        "storage_spf5000_ac_output_source",
        [choice("value", "outputConfig", {"battery-first": "0", "utility-first": "2"})],
        "Output source priority",
        "growatt-spf-battery-guard, written and read back",
    ),
)
_V1 = "described for V1 only"
STORAGE_RAW_ONLY = dict.fromkeys(
    (
        "storage_ac_charge_enable_disenable",
        "storage_ac_charge_hour_start",
        "storage_ac_charge_soc_limit",
        "storage_cmd_forced_discharge_enable",
        "storage_cmd_mode",
        "storage_cmd_on_off",
        "storage_lithium_battery",
    ),
    _V1,
)

_FORM = "growattServer's form; read back: an owner's recording of getPlant"

PLANT = (
    entry("name", "plantName", [text("value", "plantName")], "Name", _FORM),
    entry("city", "plantCity", [text("value", "city", shortest=0)], "City", _FORM),
    entry("address", "plantAddress", [text("value", "plantAddress", shortest=0)], "Street", _FORM),
    entry("latitude", "plantLat", [number("value", "plant_lat", -90, 90, "°", step=0.000001)], "Latitude", _FORM),
    entry("longitude", "plantLng", [number("value", "plant_lng", -180, 180, "°", step=0.000001)], "Longitude", _FORM),
    entry(
        "nominal_power",
        "plantPower",
        [number("value", "nominalPower", 1, 100_000_000, "W")],
        "Nominal PV power",
        _FORM,
    ),
    entry(
        "energy_price",
        "plantIncome",
        [number("value", "formulaMoneyStr", 0, 10_000, step=0.0001, meaning="per kWh")],
        "Energy price for the income",
        _FORM,
    ),
    entry("currency", "plantMoney", [text("value", "formulaMoneyUnitId")], "Currency of the energy price", _FORM),
    entry("co2_factor", "plantCo2", [number("value", "formulaCo2", 0, 1000, step=0.0001)], "CO2 saved per kWh", _FORM),
    entry(
        "coal_factor", "plantCoal", [number("value", "formulaCoal", 0, 1000, step=0.0001)], "Coal saved per kWh", _FORM
    ),
    entry("so2_factor", "plantSo2", [number("value", "formulaSo2", 0, 1000, step=0.0001)], "SO2 saved per kWh", _FORM),
    entry(
        "utc_offset",
        "plantTimezone",
        [number("value", "timezone", -12, 14, "h", step=0.5)],
        "Offset from UTC",
        _FORM,
        risk="dangerous",
        meaning="All of the cloud's timestamps use it; a change shifts data collected before by the difference.",
    ),
)
_FIXED = "it identifies the plant and its owner"
PLANT_RAW_ONLY = {
    "accountName": _FIXED,
    "plantCountry": "its list of countries is not published",
    "plantDate": _FIXED,
    "plantFirm": _FIXED,
    "plantID": _FIXED,
    "plantType": "its kinds are not published",
}
