//! Floor 3: the clock, randomness and files of the machine.
