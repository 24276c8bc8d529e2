//! On which core a thread runs, and how it leaves one to another thread; Linux alone tells.

#[cfg(target_os = "linux")]
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// Gives the core that this thread is on, where the system tells.
pub(super) fn current() -> Option<usize> {
    #[cfg(target_os = "linux")]
    return Some(sched_getcpu());
    #[cfg(not(target_os = "linux"))]
    return None;
}

/// Moves this thread to another core than this one, if there is one for it; where it may run stays as it was.
pub(super) fn leave(core: usize) {
    #[cfg(target_os = "linux")]
    if core < CpuSet::MAX_CPU
        && let Ok(all) = sched_getaffinity(None)
    {
        let mut others = all;
        others.unset(core);
        if others.count() > 0 && sched_setaffinity(None, &others).is_ok() {
            // It is there already; from now on it may come back.
            let _ = sched_setaffinity(None, &all);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = core;
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_leaves_its_core_and_may_come_back() {
        let before = sched_getaffinity(None).unwrap();
        let core = current().unwrap();
        leave(core);
        assert_eq!(sched_getaffinity(None).unwrap(), before);
        leave(usize::MAX);
        assert_eq!(sched_getaffinity(None).unwrap(), before);
    }
}
