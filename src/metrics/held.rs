//! A family of metrics, one for each value of a label, held by the value's number: what counts
//! looks up no name.

use std::marker::PhantomData;

use prometheus_client::encoding::EncodeMetric;
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::metrics::labels::Label;

/// A label's name and its value.
type Labels = [(&'static str, &'static str); 1];

/// A metric for each value of the label `L`.
#[derive(Debug)]
pub struct Held<L, M> {
    metrics: Box<[M]>,
    label: PhantomData<L>,
}

impl<L: Label, M> Held<L, M>
where
    M: EncodeMetric + TypedMetric + Clone + std::fmt::Debug + Send + Sync + 'static,
{
    /// Registers a family whose metrics are all there from the start.
    pub fn register(registry: &mut Registry, name: &str, help: &str, new: fn() -> M) -> Self {
        let family = Family::<Labels, M>::new_with_constructor(new);
        registry.register(name, help, family.clone());
        let metric_of = |value: &L| family.get_or_create_owned(&[(L::NAME, value.text())]);
        Self {
            metrics: L::ALL.iter().map(metric_of).collect(),
            label: PhantomData,
        }
    }

    /// The metric of a value.
    pub fn of(&self, value: L) -> &M {
        &self.metrics[value.number()]
    }
}
