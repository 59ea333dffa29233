"""GoodWe: the SEMS Portal, typed, blocking and async."""
