//! Labs that are up before anybody asks: one for whoever comes next, and one for each who has joined and has not had a lab yet.
//!
//! A lab makes its keys when it starts, and an authority with RSA keys of 4096 bits takes seconds for that. When a class of thirty
//! presses its first button at once, that would be minutes. So labs are started when people join. A spare is nobody's until it is
//! taken, and serves one participant only.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::process::Child;

use super::child::{self, Order, Up};
use super::serve::App;

/// Those that are ready.
#[derive(Default)]
pub(super) struct Spares(Mutex<Vec<(Up, Child)>>);

impl Spares {
    /// One that was started with just this order, and is well.
    pub(super) fn take(&self, order: &Order) -> Option<(Up, Child)> {
        let mut ready = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ready.retain_mut(|(_, child)| matches!(child.try_wait(), Ok(None)));
        let at = ready.iter().position(|(up, _)| up.order == *order)?;
        Some(ready.swap_remove(at))
    }

    /// Ends all that nobody took.
    pub(super) async fn end(&self) {
        let left = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (_, child) in left {
            child::end(child).await;
        }
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn put(&self, spare: (Up, Child)) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(spare);
    }
}

/// Keeps as many ready as are wanted, one start at a time, for as long as the workshop is up. A start that fails is told to whoever
/// asks for a lab of their own and meets the same failure.
pub(super) async fn keep(app: App) {
    let all = app.participants();
    let mut ticks = tokio::time::interval(LOOK_AROUND);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let newcomers = all.all().iter().filter(|participant| participant.lab.generation() == 0).count();
        let wanted = (app.settings().spares + newcomers).min(all.free_labs());
        if app.settings().spares == 0 || all.spares().len() >= wanted {
            continue;
        }
        let Ok(order) = app.order(None, None) else { continue };
        let Ok(turn) = all.starting().acquire().await else { return };
        if let Ok(spare) = child::start(app.settings(), order).await {
            all.spares().put(spare);
        }
        drop(turn);
    }
}

/// How often it is looked whether there are enough.
const LOOK_AROUND: Duration = Duration::from_millis(250);
