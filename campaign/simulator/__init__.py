"""Simulates PassEntry on loopback: its answers, its rate limit, faults on request, and an audit of what it really processed.

`config.SimulatorConfig` defines the behaviour, `server.Simulator` runs the simulator inside a program, and `server.serve` runs it as a
program. This module imports nothing, so a program that only needs the names of the faults doesn't load a web server.
"""
