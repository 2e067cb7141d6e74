//! Passwords: Argon2id, on blocking threads, a few at a time, and the same work for users that do not exist.

use std::{sync::Arc, time::Duration};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use teleport_api::{ApiError, ErrorKind};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::AuthError;

/// Fewest characters of a password.
const LEAST: usize = 12;
/// Most bytes of a password; longer ones only cost time.
const MOST: usize = 1024;
/// Hashes computed at the same time: each takes 19 MiB and a core.
const AT_ONCE: usize = 2;
/// How long a login waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes and checks hashes.
#[derive(Debug)]
pub(crate) struct Passwords {
    slots: Arc<Semaphore>,
    /// The hash of a random password nobody knows, checked when there is no other.
    nobody: String,
}

impl Passwords {
    /// Computes one hash, so not for a runtime thread.
    pub(crate) fn new() -> Result<Self, AuthError> {
        let random: [u8; 32] = teleport_runtime::random::bytes();
        Ok(Self { slots: Arc::new(Semaphore::new(AT_ONCE)), nobody: hash(&random)? })
    }

    /// Checks that a new password is good enough.
    pub(crate) fn check_new(password: &str) -> Result<(), ApiError> {
        if password.chars().count() < LEAST {
            return Err(ApiError::bad_request(format!("the password has fewer than {LEAST} characters")));
        }
        if password.len() > MOST {
            return Err(ApiError::bad_request(format!("the password has more than {MOST} bytes")));
        }
        if password.contains(char::is_control) {
            return Err(ApiError::bad_request("the password holds a control character"));
        }
        Ok(())
    }

    /// Returns the PHC string of a new password.
    pub(crate) async fn hash(&self, password: &str) -> Result<String, ApiError> {
        let password = Zeroizing::new(password.to_owned());
        Ok(self.work(move || hash(password.as_bytes())).await??)
    }

    /// Tells whether a password is the one that was hashed; without a hash it takes as long and is not.
    pub(crate) async fn verify(&self, password: &str, known: Option<&str>) -> Result<bool, ApiError> {
        // A text no password can have is checked as well, cut, so that its answer takes as long as any other.
        let cut = password.floor_char_boundary(MOST);
        let possible = cut == password.len();
        let password = Zeroizing::new(password.get(..cut).unwrap_or_default().to_owned());
        let hash = known.unwrap_or(&self.nobody).to_owned();
        let matches = self.work(move || verify(password.as_bytes(), &hash)).await??;
        Ok(matches && possible && known.is_some())
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        let slot = tokio::time::timeout(PATIENCE, Arc::clone(&self.slots).acquire_owned()).await;
        let Ok(Ok(slot)) = slot else {
            return Err(ApiError::new(ErrorKind::Throttled, "too many people log in at this moment")
                .hint("try again in a few seconds"));
        };
        let task = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            work()
        });
        task.await.map_err(|_| AuthError::Worker.into())
    }
}

fn hash(password: &[u8]) -> Result<String, AuthError> {
    let salt: [u8; 16] = teleport_runtime::random::bytes();
    let hash = Argon2::default().hash_password_with_salt(password, &salt);
    hash.map(|hash| hash.to_string()).map_err(corrupt)
}

fn verify(password: &[u8], hash: &str) -> Result<bool, AuthError> {
    let hash = PasswordHash::new(hash).map_err(corrupt)?;
    Ok(Argon2::default().verify_password(password, &hash).is_ok())
}

fn corrupt(error: impl std::error::Error + Send + Sync + 'static) -> AuthError {
    AuthError::Corrupt { what: "password hash".to_owned(), source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_verifies_its_password_only_and_nobody_has_none() {
        let passwords = Passwords::new().expect("passwords");
        let known = passwords.hash("correct horse battery").await.expect("hashed");
        assert!(known.starts_with("$argon2id$"), "{known}");
        assert!(passwords.verify("correct horse battery", Some(&known)).await.expect("checked"));
        assert!(!passwords.verify("correct horse batterx", Some(&known)).await.expect("checked"));
        assert!(!passwords.verify("correct horse battery", None).await.expect("checked"));
        assert_ne!(
            known,
            passwords.hash("correct horse battery").await.expect("hashed"),
            "every hash has its own salt"
        );
    }

    #[tokio::test]
    async fn what_is_beyond_the_longest_password_is_not_ignored() {
        let passwords = Passwords::new().expect("passwords");
        let longest = "x".repeat(MOST);
        let known = passwords.hash(&longest).await.expect("hashed");
        assert!(passwords.verify(&longest, Some(&known)).await.expect("checked"));
        assert!(!passwords.verify(&format!("{longest}y"), Some(&known)).await.expect("checked"));
    }

    #[test]
    fn characters_are_counted_for_the_least_and_bytes_for_the_most() {
        Passwords::check_new("ääääääääääää").expect("twelve characters");
        for bad in ["elevenchars", "äääääääääää", &"x".repeat(MOST + 1), "with a\nline break"] {
            Passwords::check_new(bad).expect_err(bad);
        }
    }
}
