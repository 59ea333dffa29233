"""Faults specific to the emulated GoodWe cloud."""

FAULTS = {
    "september": "state since September 2026: most SEMS Portal calls return success without data",
    "classic": "state before SEMS+: the SEMS Portal only",
    "station2": "hybrid plants are served by SEMS+ only",
    "agreement": "logins succeed without a session, until terms are accepted",
    "no_api": "login responses name no data server",
    "morning_dip": "each morning the lifetime import and export of the SEMS Portal are too low for an hour or more",
    "visitor": "SEMS+ refuses the measurements of devices, as for some visitors",
    "gateway": "SEMS Portal logins name the SEMS+ gateway as data server",
}
"""Description by fault name; the emulator switches the faults."""
