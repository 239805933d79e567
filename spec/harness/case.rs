//! A case and one run of it.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use tokio::runtime::{self, Runtime};
use tokio::sync::OwnedSemaphorePermit;

use super::deployment::Deployment;

/// What a case does, and on which runtime.
pub enum Body {
    Plain(fn()),
    /// On the trial's thread.
    Async(fn() -> Pin<Box<dyn Future<Output = ()>>>),
    /// With two threads for its tasks.
    Parallel(fn() -> Pin<Box<dyn Future<Output = ()>>>),
}

/// A registered case.
pub struct Case {
    /// Its module and name, with the crate's name in front.
    pub path: &'static str,
    pub body: Body,
}

inventory::collect!(Case);

/// One run of a case on a deployment.
pub struct Run {
    name: String,
    pub deployment: Deployment,
    panics: Mutex<Vec<String>>,
    has_own_server: AtomicBool,
    /// Held until the run ends or waits, where few runs may be busy at a time.
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

/// A run that passed.
pub struct Passed {
    /// The case started a server of its own, although the deployment has one.
    #[cfg_attr(
        not(feature = "lambda"),
        expect(dead_code, reason = "`instances` reads it")
    )]
    pub has_own_server: bool,
}

thread_local! {
    /// The run that this thread belongs to: a run's runtime has its threads for itself.
    static CURRENT: RefCell<Option<Arc<Run>>> = const { RefCell::new(None) };
}

/// The run that the calling code belongs to.
pub fn current() -> Arc<Run> {
    CURRENT.with_borrow(|run| run.clone().expect("a thread of a case's runtime"))
}

/// Makes panics on a run's threads part of its failure; others are printed as usual.
pub fn record_panics() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let run = CURRENT.with_borrow(Clone::clone);
        let Some(run) = run else { return print(panic) };
        let mut message = panic.to_string();
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            message = format!("{message}\n{backtrace}");
        }
        run.panics.lock().expect("no panic").push(message);
    }));
}

impl Case {
    /// The case's path in the suite: `groups::name`.
    pub fn name(&self) -> &'static str {
        self.path
            .split_once("::")
            .expect("a path begins with the crate")
            .1
    }

    /// The case's module: `groups`.
    pub fn module(&self) -> &'static str {
        self.name().split("::").next().unwrap_or_default()
    }

    /// Runs the case to its end. It fails by any panic, also in a task that nothing awaits.
    pub fn run(&self, deployment: &Deployment) -> Result<Passed, String> {
        self.run_with(deployment, None)
    }

    /// The same with a permit, which is released when the case first waits for time to pass.
    pub fn run_with(
        &self,
        deployment: &Deployment,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<Passed, String> {
        let run = Arc::new(Run {
            name: deployment.name_of(self),
            deployment: deployment.clone(),
            panics: Mutex::default(),
            has_own_server: AtomicBool::new(false),
            permit: Mutex::new(permit),
        });
        let outer = CURRENT.replace(Some(Arc::clone(&run)));
        let ended = panic::catch_unwind(AssertUnwindSafe(|| match self.body {
            Body::Plain(body) => body(),
            Body::Async(body) => run.runtime(&mut runtime::Builder::new_current_thread(), body),
            Body::Parallel(body) => {
                let mut builder = runtime::Builder::new_multi_thread();
                run.runtime(builder.worker_threads(2), body);
            }
        }));
        CURRENT.set(outer);
        let mut panics = std::mem::take(&mut *run.panics.lock().expect("no panic"));
        if let (Err(panic), true) = (&ended, panics.is_empty()) {
            // Raised again from a task on a thread without a run.
            panics.push(text(&**panic).to_owned());
        }
        if panics.is_empty() {
            let has_own_server = run.has_own_server.load(Relaxed);
            return Ok(Passed { has_own_server });
        }
        Err(panics.join("\n"))
    }
}

impl Run {
    fn runtime(
        self: &Arc<Self>,
        builder: &mut runtime::Builder,
        body: fn() -> Pin<Box<dyn Future<Output = ()>>>,
    ) {
        let run = Arc::clone(self);
        let runtime: Runtime = builder
            .enable_all()
            .on_thread_start(move || CURRENT.set(Some(Arc::clone(&run))))
            .build()
            .expect("a runtime");
        runtime.block_on(body());
    }

    /// Lets another case begin, as this one waits from now on.
    pub fn waits(&self) {
        self.permit.lock().expect("no panic").take();
    }

    /// Notes and prints that the case needs a server of its own beside the deployment's.
    pub fn starts_own_server(&self) {
        if !self.has_own_server.swap(true, Relaxed) {
            eprintln!("{} needs a server of its own and starts one", self.name);
        }
    }
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message")
}
