//! Any text as a document: the checks and the parser neither panic nor overflow the stack.

use super::*;
use crate::fuzz::{Fuzz, Outcome};

fn target(input: &[u8]) -> Outcome {
    let mut outcome = Outcome::default();
    let text = String::from_utf8_lossy(input);
    let documents = DocumentCache::new(DocumentLimits::default());
    let get = || {
        let request = GraphQlRequest::new((&*text).into(), None, None);
        documents.get(&request.expect("it has no variables"))
    };
    match (get(), get()) {
        (Ok(document), Ok(cached)) => {
            assert_eq!(document.kind(), cached.kind());
            outcome.passed(match document.kind() {
                OperationType::Query => "query",
                OperationType::Mutation => "mutation",
                OperationType::Subscription => "subscription",
            });
            let operation = document.operation();
            outcome.had((
                operation.variable_definitions.len(),
                operation.directives.len(),
                operation.selection_set.node.items.len(),
                document.parsed().fragments.len(),
                document.fast_path().is_some(),
            ));
        }
        (Err(error), Err(again)) => {
            // Of several operations the parser names any: it keeps them in a hash map.
            assert_eq!(
                std::mem::discriminant(&error),
                std::mem::discriminant(&again)
            );
            let lines = text.split('\n').count();
            for (line, column) in error.locations() {
                assert!((1..=lines).contains(&line) && column >= 1, "{error:?}");
            }
            outcome.had(std::mem::discriminant(&error));
        }
        (first, second) => panic!("{first:?} and then {second:?}"),
    }
    outcome
}

#[test]
fn documents() {
    let fuzz = Fuzz {
        target: "documents",
        tokens: "documents",
        kinds: &["query", "mutation", "subscription"],
    };
    fuzz.run(target);
}
