"""What can go wrong with GoodWe alone: its two eras, its regions and its moods at a login."""

FAULTS = {
    "september": "since September 2026: most of the SEMS Portal answers success without data",
    "classic": "before SEMS+: the SEMS Portal only",
    "station2": "hybrid plants are known to SEMS+ only",
    "agreement": "a login succeeds without a session, until terms are accepted",
    "no_api": "a login does not say where to go on",
    "morning_dip": "each morning the lifetime import and export of the SEMS Portal are too low for an hour or more",
    "gateway": "a login to the SEMS Portal leads to the gateway of SEMS+",
}
"""Every fault and what it does; the emulator switches them."""
