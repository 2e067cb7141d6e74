//! What the clients see: changes that came, were missed or came twice, how late, and which watches are open.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::histogram::Histogram;

/// Whose watches they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum User {
    /// Watches for as long as the run lasts.
    Steady,
    /// Has certificates of a minute, renewed before they end.
    Brief,
    /// Loses access and gets it back.
    Revoked,
}

/// All users, in the order of the counts.
pub(super) const USERS: [User; 3] = [User::Steady, User::Brief, User::Revoked];

impl User {
    /// Returns the user's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Steady => "ada",
            Self::Brief => "grace",
            Self::Revoked => "mallory",
        }
    }
}

/// One of something for each user, in the order of [`USERS`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PerUser<T>(pub(super) [T; 3]);

impl<T> PerUser<T> {
    /// Returns a user's.
    pub(super) fn of(&self, user: User) -> &T {
        let [steady, brief, revoked] = &self.0;
        match user {
            User::Steady => steady,
            User::Brief => brief,
            User::Revoked => revoked,
        }
    }
}

/// Counts of the whole run. All tasks write to it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    events: AtomicU64,
    missed: AtomicU64,
    repeated: AtomicU64,
    opened: AtomicU64,
    refused: AtomicU64,
    asked: AtomicU64,
    failed: AtomicU64,
    open: PerUser<AtomicUsize>,
    ended: PerUser<AtomicU64>,
    delays: Mutex<Delays>,
}

#[derive(Debug)]
struct Delays {
    /// Since the phase began.
    phase: Histogram,
    /// Answers to small requests since the phase began.
    answers: Histogram,
    /// The longest since the last sample.
    longest: Duration,
}

impl Default for Delays {
    fn default() -> Self {
        Self { phase: Histogram::new(), answers: Histogram::new(), longest: Duration::ZERO }
    }
}

/// The counts at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) events: u64,
    /// Changes that were skipped.
    pub(super) missed: u64,
    /// Changes that came twice.
    pub(super) repeated: u64,
    pub(super) opened: u64,
    /// Attempts to open a watch that were not answered with 200.
    pub(super) refused: u64,
    /// Small requests.
    pub(super) asked: u64,
    pub(super) failed: u64,
    /// Watches that ended, by user.
    pub(super) ended: PerUser<u64>,
}

/// How late things were in a phase.
#[derive(Clone, Debug)]
pub(super) struct Lateness {
    pub(super) events: Histogram,
    pub(super) answers: Histogram,
}

impl Tally {
    /// Counts a change that came after another: numbers between the two were missed.
    pub(super) fn came(&self, last: Option<u64>, number: u64) {
        self.events.fetch_add(1, Ordering::Relaxed);
        let Some(last) = last else { return };
        if number <= last {
            self.repeated.fetch_add(1, Ordering::Relaxed);
        } else {
            self.missed.fetch_add(number - last - 1, Ordering::Relaxed);
        }
    }

    /// Counts how late a change came.
    pub(super) fn late(&self, by: Duration) {
        let mut delays = self.delays.lock().unwrap_or_else(PoisonError::into_inner);
        delays.phase.record(by);
        delays.longest = delays.longest.max(by);
    }

    /// Counts a small request and how long its answer took; `None` when there was none.
    pub(super) fn answered(&self, took: Option<Duration>) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match took {
            Some(took) => self.delays.lock().unwrap_or_else(PoisonError::into_inner).answers.record(took),
            None => drop(self.failed.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Counts an attempt to open a watch that failed.
    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a watch as open until the value is dropped.
    pub(super) fn open(&self, user: User) -> Open<'_> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.open.of(user).fetch_add(1, Ordering::Relaxed);
        Open { tally: self, user }
    }

    /// Returns how many watches of a user are open.
    pub(super) fn open_of(&self, user: User) -> usize {
        self.open.of(user).load(Ordering::Relaxed)
    }

    /// Returns how many watches are open.
    pub(super) fn all_open(&self) -> usize {
        USERS.into_iter().map(|user| self.open_of(user)).sum()
    }

    /// Returns the counts of now.
    pub(super) fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            events: read(&self.events),
            missed: read(&self.missed),
            repeated: read(&self.repeated),
            opened: read(&self.opened),
            refused: read(&self.refused),
            asked: read(&self.asked),
            failed: read(&self.failed),
            ended: PerUser(USERS.map(|user| read(self.ended.of(user)))),
        }
    }

    /// Returns the longest delay since it was last asked for.
    pub(super) fn take_longest(&self) -> Duration {
        std::mem::take(&mut self.delays.lock().unwrap_or_else(PoisonError::into_inner).longest)
    }

    /// Returns how late things were since the phase began, and begins the next.
    pub(super) fn take_lateness(&self) -> Lateness {
        let mut delays = self.delays.lock().unwrap_or_else(PoisonError::into_inner);
        let events = std::mem::replace(&mut delays.phase, Histogram::new());
        Lateness { events, answers: std::mem::replace(&mut delays.answers, Histogram::new()) }
    }
}

impl std::ops::Sub for Counts {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            events: self.events - before.events,
            missed: self.missed - before.missed,
            repeated: self.repeated - before.repeated,
            opened: self.opened - before.opened,
            refused: self.refused - before.refused,
            asked: self.asked - before.asked,
            failed: self.failed - before.failed,
            ended: PerUser(USERS.map(|user| self.ended.of(user) - before.ended.of(user))),
        }
    }
}

/// An open watch.
pub(super) struct Open<'a> {
    tally: &'a Tally,
    user: User,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.tally.open.of(self.user).fetch_sub(1, Ordering::Relaxed);
        self.tally.ended.of(self.user).fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_missed_changes_and_steps_back_are_repeated_ones() {
        let tally = Tally::default();
        for (last, number) in [(None, 7), (Some(7), 8), (Some(8), 11), (Some(11), 11)] {
            tally.came(last, number);
        }
        let counts = tally.counts();
        assert_eq!((counts.events, counts.missed, counts.repeated), (4, 2, 1));
    }

    #[test]
    fn a_watch_is_open_until_it_is_dropped() {
        let tally = Tally::default();
        let open = tally.open(User::Brief);
        assert_eq!((tally.open_of(User::Brief), tally.all_open()), (1, 1));
        drop(open);
        assert_eq!(tally.all_open(), 0);
        assert_eq!(tally.counts().ended.0, [0, 1, 0]);
    }
}
