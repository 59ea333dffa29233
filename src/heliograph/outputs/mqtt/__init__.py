"""MQTT output: current values and Home Assistant discovery."""
