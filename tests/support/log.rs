//! What is logged, kept apart by thread: each test with a runtime of one thread reads its own.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

thread_local! {
    static LINES: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// The log of this thread, until it is dropped.
///
/// One subscriber is the whole process's. Where each test brings its own, `tracing` may ask the thread that
/// comes by first whether a line matters to anybody, and remembers its no for all of them.
pub(crate) struct Log(());

struct Writer;

impl Log {
    pub(crate) fn record() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .without_time()
                .with_ansi(false)
                .with_writer(|| Writer)
                .init();
        });
        LINES.set(Some(Vec::new()));
        Self(())
    }

    /// The lines of one level so far, or all of them if it is empty.
    pub(crate) fn lines(&self, level: &str) -> Vec<String> {
        let bytes = LINES.with_borrow(|lines| lines.clone().unwrap_or_default());
        let text = String::from_utf8(bytes).unwrap();
        let lines = text.lines().filter(|line| line.starts_with(level));
        lines.map(str::to_owned).collect()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        LINES.set(None);
    }
}

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| {
            if let Some(lines) = lines {
                lines.extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
