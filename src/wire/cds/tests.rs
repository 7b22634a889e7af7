//! Calls read and cards written.
