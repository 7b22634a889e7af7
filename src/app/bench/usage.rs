//! What processes use, as Linux tells it: time of the processor, memory, and the disk under a folder.

use std::fs;
use std::path::Path;

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Seconds of processor time, its own and the kernel's for it.
    pub cpu_s: f64,
    /// Memory it holds, in KiB. Source: proc(5), VmRSS.
    pub memory_kib: u64,
    /// Most memory that it ever held, in KiB. Source: proc(5), VmHWM.
    pub memory_peak_kib: u64,
}

impl Usage {
    /// Looks at a process; zeros where it is gone.
    pub fn of(process: u32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        Self { cpu_s: cpu_seconds(&stat), memory_kib: kib("VmRSS:"), memory_peak_kib: kib("VmHWM:") }
    }

    /// Adds what another process has used.
    pub fn and(self, other: Self) -> Self {
        Self {
            cpu_s: self.cpu_s + other.cpu_s,
            memory_kib: self.memory_kib + other.memory_kib,
            memory_peak_kib: self.memory_peak_kib + other.memory_peak_kib,
        }
    }
}

/// Reads user and system time. Source: proc(5): fields 14 and 15 of `stat`, counted behind the name in parentheses.
fn cpu_seconds(stat: &str) -> f64 {
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 =
        behind_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks as f64 / TICKS_PER_SECOND
}

/// Gives the bytes that the files under a folder, or one file, take on the disk.
pub fn disk_bytes(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(about) = fs::symlink_metadata(path) else { return 0 };
    let own = about.blocks() * 512;
    let below = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| disk_bytes(&entry.path()));
    own + below.sum::<u64>()
}

/// Gives the load average of the last minute: how much else the machine is doing.
pub fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

/// The kernel counts processor time for users in hundredths of a second on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 9 0 1 2 3";
        assert!((cpu_seconds(stat) - 3.0).abs() < 1e-9);
    }

    #[test]
    fn this_process_holds_memory_and_files_take_room() {
        assert!(Usage::of(std::process::id()).memory_peak_kib > 0);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), vec![1; 100_000]).unwrap();
        assert!(disk_bytes(folder.path()) >= 100_000);
    }
}
