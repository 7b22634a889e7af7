//! Floor 6: processes and commands: configuration, wiring, the demo.
