//! The subscriptions of one connection or event stream.

use std::collections::HashMap;
use std::sync::Arc;

use crate::hub::Subscription;
use crate::memory::{Memory, Work};
use crate::mesh::Mesh;
use crate::metrics::OpenGuard;
use crate::realtime::operation::Registration;
use crate::realtime::outbox::Outbox;
use crate::realtime::protocol::Dialect;
use crate::realtime::subscriber::SocketSubscriber;

/// Subscriptions by their operation's id.
#[derive(Debug, Default)]
pub struct Subscriptions {
    by_id: HashMap<String, Entry>,
    selection_bytes: usize,
}

/// A subscription until it ends.
#[derive(Debug)]
struct Entry {
    _subscription: Subscription,
    _open: OpenGuard,
    /// Bytes of its selection.
    bytes: usize,
}

impl Subscriptions {
    /// Registers a subscription that delivers to `outbox`, or says why its selection is refused:
    /// all of them take at most `limit` bytes.
    pub fn register(
        &mut self,
        mesh: &Mesh,
        outbox: &Arc<Outbox>,
        dialect: Dialect,
        registration: Registration,
        limit: usize,
    ) -> Result<(), String> {
        let Registration {
            operation,
            target,
            resume,
        } = registration;
        let bytes = target.selection.bytes();
        self.admit(bytes, limit, &mesh.memory)?;
        let (outbox, id) = (Arc::clone(outbox), operation.id.clone());
        let create = |selection| SocketSubscriber::new(outbox, operation, dialect, selection);
        let (hub, group) = (&mesh.hub, &target.group);
        let subscription = match resume {
            None => hub.subscribe(group, target.selection, |own| Arc::new(create(own))),
            Some((resume, form)) => {
                let null = target.selection.render_null();
                hub.resume(group, target.selection, &resume, |own, start| {
                    let subscriber = create(own);
                    Arc::new(match start {
                        Some(start) => subscriber.with_positions(&start, form, &null),
                        None => subscriber,
                    })
                })
            }
        };
        self.selection_bytes += bytes;
        let entry = Entry {
            _subscription: subscription,
            _open: mesh.metrics.subscription(dialect.transport()),
            bytes,
        };
        self.by_id.insert(id, entry);
        Ok(())
    }

    /// Whether a selection of this many bytes is accepted (decisions D25, D26).
    fn admit(&self, bytes: usize, limit: usize, memory: &Memory) -> Result<(), String> {
        if self.selection_bytes + bytes > limit {
            return Err(format!(
                "The selections of one connection take at most {limit} bytes"
            ));
        }
        let admitted = memory.admit(Work::Data, bytes);
        admitted.map_err(|error| error.to_string())
    }

    /// Ends a subscription.
    pub fn remove(&mut self, id: &str) {
        if let Some(entry) = self.by_id.remove(id) {
            self.selection_bytes -= entry.bytes;
        }
    }

    /// Ends all subscriptions.
    pub fn clear(&mut self) {
        self.by_id.clear();
        self.selection_bytes = 0;
    }
}
