//! What is borne, and how the sidecar ends.

use std::time::Duration;

use serde::Deserialize;

use super::refuse;
use crate::error::Error;

/// What is borne before something is refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Limits {
    /// How many requests are worked on at once.
    pub concurrent: usize,
    /// How many wait for their turn.
    pub waiting: usize,
    wait_ms: u64,
    deadline_ms: u64,
    deadline_max_ms: u64,
    /// How many connections are open at once.
    pub connections: usize,
    header_ms: u64,
    /// How long the head of a request may be, in bytes.
    pub header_bytes: usize,
    body_ms: u64,
    /// How long the body of a question may be, in bytes.
    pub body_bytes: usize,
    /// How long the body of a request with passages, or texts to embed, may be, in bytes.
    pub write_bytes: usize,
}

/// How the sidecar ends.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Drain {
    delay_ms: u64,
    timeout_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrent: 64,
            waiting: 256,
            wait_ms: 1_000,
            deadline_ms: 10_000,
            deadline_max_ms: 30_000,
            connections: 4_096,
            header_ms: 15_000,
            header_bytes: 32 << 10,
            body_ms: 10_000,
            body_bytes: 256 << 10,
            write_bytes: 16 << 20,
        }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self { delay_ms: 0, timeout_ms: 25_000 }
    }
}

impl Limits {
    /// How long a request waits for its turn.
    #[must_use]
    pub fn wait(&self) -> Duration {
        Duration::from_millis(self.wait_ms)
    }

    /// How long an answer may take when its request does not say.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }

    /// The longest time that a request may ask for.
    #[must_use]
    pub fn deadline_max(&self) -> Duration {
        Duration::from_millis(self.deadline_max_ms)
    }

    /// How long a connection may take to send the head of a request, and how long it may be idle.
    #[must_use]
    pub fn header(&self) -> Duration {
        Duration::from_millis(self.header_ms)
    }

    /// How long a body may take to arrive, and how long a client may leave an answer unread.
    #[must_use]
    pub fn body(&self) -> Duration {
        Duration::from_millis(self.body_ms)
    }
}

impl Drain {
    /// How long connections are still accepted after the sidecar says that it is not ready.
    #[must_use]
    pub fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }

    /// How long what was accepted may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

impl Limits {
    /// Refuses what contradicts itself.
    pub(super) fn check(&self) -> Result<(), Error> {
        let at_least = [
            ("concurrent", self.concurrent as u64, 1),
            ("deadline_ms", self.deadline_ms, 1),
            ("connections", self.connections as u64, 1),
            ("header_ms", self.header_ms, 1),
            // What the HTTP library needs for its buffer.
            ("header_bytes", self.header_bytes as u64, 8_192),
            ("body_ms", self.body_ms, 1),
            ("body_bytes", self.body_bytes as u64, 1_024),
            ("write_bytes", self.write_bytes as u64, 1_024),
        ];
        if let Some((name, given, least)) = at_least.into_iter().find(|(_, given, least)| given < least) {
            return refuse(format!("server.limits.{name}"), format!("{given} is too little; at least {least}"));
        }
        if self.deadline_ms > self.deadline_max_ms {
            let problem = format!("{} is more than server.limits.deadline_max_ms", self.deadline_ms);
            return refuse("server.limits.deadline_ms", problem);
        }
        if self.wait_ms > self.deadline_max_ms {
            let problem = format!("{} is more than server.limits.deadline_max_ms", self.wait_ms);
            return refuse("server.limits.wait_ms", problem);
        }
        Ok(())
    }
}
