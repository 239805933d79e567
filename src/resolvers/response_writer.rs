//! Writes the fields of one response: it holds the operation's budget, the compiled
//! selection, and the values that equal fields share.

use std::borrow::Cow;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{
    Context, ContextSelectionSet, OutputType, Positioned, Result, ServerResult, Value, Variables,
};
use async_graphql_parser::types::OperationType;
use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::resolvers::ResolverResult;
use crate::resolvers::budget::Budget;
use crate::resolvers::compile::{self, RootField};
use crate::resolvers::document::Document;
use crate::resolvers::field_value::FieldValue;

/// Writes the response to one operation.
#[derive(Debug)]
pub struct ResponseWriter {
    document: Document,
    variables: Variables,
    /// Compiled when the first field runs: only then is the document known to be valid.
    roots: OnceLock<Vec<RootField>>,
    /// Fields run one after the other, so that one frees its memory before the next starts.
    permit: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Taken when all fields are written.
    budget: Option<Budget>,
    /// Values that another field still needs, by the first root field of the same call.
    fetched: HashMap<usize, ResolverResult<Arc<FieldValue>>>,
    /// Fields as JSON, by root field.
    written: HashMap<usize, Bytes>,
}

impl ResponseWriter {
    /// A writer for an operation of a document, within a budget.
    pub fn new(document: Document, variables: Variables, budget: Budget) -> Self {
        Self {
            document,
            variables,
            roots: OnceLock::new(),
            permit: Semaphore::new(1),
            state: Mutex::new(State {
                budget: Some(budget),
                fetched: HashMap::new(),
                written: HashMap::new(),
            }),
        }
    }

    /// Writes a root field. Fields of a query with equal arguments are fetched once.
    pub async fn write<T>(
        &self,
        ctx: &Context<'_>,
        fetch: impl Future<Output = ResolverResult<FieldValue>>,
    ) -> Result<RawJson<T>> {
        let _permit = self.permit.acquire().await;
        let (name, roots) = (ctx.item.node.response_key(), self.roots());
        let index = roots.iter().position(|root| *root.name == *name.node);
        let index = index.expect("a field that runs is in the operation");
        let first = roots[index].first;
        let is_query = self.document.kind() == OperationType::Query;
        // A field that a query repeats under one response name is written once.
        let written = self.with_state(|state| state.written.get(&index).cloned());
        if let Some(json) = written.filter(|_| is_query) {
            return Ok(RawJson::new(json));
        }
        let fetched = self.with_state(|state| state.fetched.get(&first).cloned());
        let value = match fetched {
            Some(value) => value,
            None => fetch.await.map(Arc::new),
        };
        let json = self.with_state(|state| {
            state.share(roots, index, &value);
            state.write(roots, index, &value)
        });
        Ok(RawJson::new(json?))
    }

    /// Ends the writing and returns the budget; `None` when it has ended before.
    pub fn finish(&self) -> Option<Budget> {
        self.with_state(|state| {
            state.fetched.clear();
            state.budget.take()
        })
    }

    fn roots(&self) -> &[RootField] {
        self.roots.get_or_init(|| {
            let (document, operation) = (self.document.parsed(), self.document.operation());
            compile::root_fields(document, operation, &self.variables)
        })
    }

    fn with_state<T>(&self, run: impl FnOnce(&mut State) -> T) -> T {
        run(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    /// Keeps a value as long as another field needs it.
    fn share(
        &mut self,
        roots: &[RootField],
        index: usize,
        value: &ResolverResult<Arc<FieldValue>>,
    ) {
        let first = roots[index].first;
        let needed = roots
            .iter()
            .enumerate()
            .any(|(i, root)| i != index && root.first == first && !self.written.contains_key(&i));
        let bytes = value.as_ref().map_or(0, |value| value.bytes());
        if needed && !self.fetched.contains_key(&first) {
            self.fetched.insert(first, value.clone());
            self.budget().reserve(bytes);
        } else if !needed && self.fetched.remove(&first).is_some() {
            self.budget().release(bytes);
        }
    }

    fn write(
        &mut self,
        roots: &[RootField],
        index: usize,
        value: &ResolverResult<Arc<FieldValue>>,
    ) -> ResolverResult<Bytes> {
        let value = value.as_ref().map_err(Clone::clone)?;
        let remaining = roots.len() - self.written.len();
        let (name, fields) = (&roots[index].name, &roots[index].fields);
        let json = self.budget().write(name, value, fields, remaining)?;
        let json = Bytes::from(json);
        self.written.insert(index, json.clone());
        Ok(json)
    }

    fn budget(&mut self) -> &mut Budget {
        self.budget.as_mut().expect("the operation runs")
    }
}

/// A field's value as JSON; in the schema it has the type `T`. The engine passes it on
/// unchanged (see `response::to_json`).
pub struct RawJson<T> {
    json: Bytes,
    schema_type: PhantomData<fn() -> T>,
}

impl<T> RawJson<T> {
    fn new(json: Bytes) -> Self {
        Self {
            json,
            schema_type: PhantomData,
        }
    }
}

impl<T: OutputType> OutputType for RawJson<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn qualified_type_name() -> String {
        T::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(
        &self,
        _: &ContextSelectionSet<'_>,
        _: &Positioned<Field>,
    ) -> ServerResult<Value> {
        Ok(Value::Binary(self.json.clone()))
    }
}
