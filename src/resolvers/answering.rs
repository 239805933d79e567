//! What the fields of one operation share while it is answered: its budget, what is
//! selected, and what was fetched for equal fields.

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
use crate::resolvers::compile::{self, Root};
use crate::resolvers::document::Document;
use crate::resolvers::field_value::FieldValue;

/// An operation that is being answered.
#[derive(Debug)]
pub struct Answering {
    document: Document,
    variables: Variables,
    /// Compiled when the first field runs: only then is the document known to be valid.
    roots: OnceLock<Vec<Root>>,
    /// One field after the other: what one holds is free before the next begins.
    turn: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Taken when the answer is put together.
    budget: Option<Budget>,
    /// What is fetched and still wanted, by the first root field that asks for it.
    fetched: HashMap<usize, ResolverResult<Arc<FieldValue>>>,
    /// What is written, by root field.
    written: HashMap<usize, Bytes>,
}

impl Answering {
    /// An operation of a document and what it may hold.
    pub fn new(document: Document, variables: Variables, budget: Budget) -> Self {
        Self {
            document,
            variables,
            roots: OnceLock::new(),
            turn: Semaphore::new(1),
            state: Mutex::new(State {
                budget: Some(budget),
                fetched: HashMap::new(),
                written: HashMap::new(),
            }),
        }
    }

    /// Writes a field of the root. Fields of a query with equal arguments are fetched once.
    pub async fn write<T>(
        &self,
        ctx: &Context<'_>,
        fetch: impl Future<Output = ResolverResult<FieldValue>>,
    ) -> Result<Written<T>> {
        let _turn = self.turn.acquire().await;
        let (name, roots) = (ctx.item.node.response_key(), self.roots());
        let at = roots.iter().position(|root| *root.name == *name.node);
        let at = at.expect("a field that runs was asked for");
        let (first, mutates) = (
            roots[at].first,
            self.document.kind() != OperationType::Query,
        );
        // A field that stands twice under one name is answered under it once.
        let same = self.state(|state| state.written.get(&at).cloned());
        if let Some(text) = same.filter(|_| !mutates) {
            return Ok(Written::new(text));
        }
        let fetched = self.state(|state| state.fetched.get(&first).cloned());
        let value = match fetched {
            Some(value) => value,
            None => fetch.await.map(Arc::new),
        };
        let text = self.state(|state| {
            state.keep(roots, at, &value);
            state.write(roots, at, &value)
        });
        Ok(Written::new(text?))
    }

    /// Ends the answering: nothing is written any more.
    pub fn end(&self) -> Option<Budget> {
        self.state(|state| {
            state.fetched.clear();
            state.budget.take()
        })
    }

    fn roots(&self) -> &[Root] {
        self.roots.get_or_init(|| {
            let (document, operation) = (self.document.parsed(), self.document.operation());
            compile::roots(document, operation, &self.variables)
        })
    }

    fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    /// Keeps a value as long as another field wants it.
    fn keep(&mut self, roots: &[Root], at: usize, value: &ResolverResult<Arc<FieldValue>>) {
        let first = roots[at].first;
        let wanted = roots
            .iter()
            .enumerate()
            .any(|(i, root)| i != at && root.first == first && !self.written.contains_key(&i));
        let bytes = value.as_ref().map_or(0, |value| value.bytes());
        if wanted && !self.fetched.contains_key(&first) {
            self.fetched.insert(first, value.clone());
            self.budget().keep(bytes);
        } else if !wanted && self.fetched.remove(&first).is_some() {
            self.budget().release(bytes);
        }
    }

    fn write(
        &mut self,
        roots: &[Root],
        at: usize,
        value: &ResolverResult<Arc<FieldValue>>,
    ) -> ResolverResult<Bytes> {
        let value = value.as_ref().map_err(Clone::clone)?;
        let unwritten = roots.len() - self.written.len();
        let (name, picks) = (&roots[at].name, &roots[at].picks);
        let text = self.budget().write(name, value, picks, unwritten)?;
        let text = Bytes::from(text);
        self.written.insert(at, text.clone());
        Ok(text)
    }

    fn budget(&mut self) -> &mut Budget {
        self.budget.as_mut().expect("the operation runs")
    }
}

/// A field's value as JSON; in the schema it is a `T`. The engine hands the text on as
/// it is (`response::text`).
pub struct Written<T> {
    text: Bytes,
    of: PhantomData<fn() -> T>,
}

impl<T> Written<T> {
    fn new(text: Bytes) -> Self {
        Self {
            text,
            of: PhantomData,
        }
    }
}

impl<T: OutputType> OutputType for Written<T> {
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
        Ok(Value::Binary(self.text.clone()))
    }
}
