//! A ticker with microseconds where the runtime's own timer has milliseconds. Called by the open loop.

use std::{os::fd::OwnedFd, time::Duration};

use anyhow::Result;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

/// Ticks at a set interval; late ticks are counted, never lost. It blocks, and so belongs on a thread of its own.
pub(super) struct Pacer {
    timer: OwnedFd,
}

impl Pacer {
    /// Starts; the first tick comes after one interval.
    pub(super) fn start(every: Duration) -> Result<Self> {
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        let every = Timespec { tv_sec: i64::try_from(every.as_secs())?, tv_nsec: i64::from(every.subsec_nanos()) };
        let setting = Itimerspec { it_interval: every, it_value: every };
        rustix::time::timerfd_settime(&timer, TimerfdTimerFlags::empty(), &setting)?;
        Ok(Self { timer })
    }

    /// Waits for the next tick, and returns how many have come since the last call.
    pub(super) fn ticks(&mut self) -> Result<u64> {
        let mut count = [0_u8; 8];
        rustix::io::read(&self.timer, &mut count[..])?;
        Ok(u64::from_ne_bytes(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_that_nobody_waited_for_are_counted() {
        let mut pacer = Pacer::start(Duration::from_micros(100)).unwrap();
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(3) {
            std::hint::spin_loop();
        }
        assert!(pacer.ticks().unwrap() >= 29);
    }
}
