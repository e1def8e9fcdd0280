"""PassEntry on loopback: its answers, its limit, any fault asked for, and an audit of what it really processed.

`config.SimulatorConfig` says how it behaves, `server.Simulator` runs it inside a program, `serve.serve` as one,
`faults.parse_faults` reads faults from options, and `client.SimulatorClient` asks a running one. Nothing is imported here, so
that a program that needs the names of the faults does not load a web server.
"""
