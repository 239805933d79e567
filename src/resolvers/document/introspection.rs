//! Whether a document asks for the schema, which is the largest and dearest response.

use async_graphql_parser::types::{ExecutableDocument, Selection, SelectionSet};

/// Whether any operation or fragment of the document, whose text is `text`, selects `__schema` or
/// `__type`. Its brackets are not deep: the recursion ends soon.
pub fn introspects(text: &str, document: &ExecutableDocument) -> bool {
    let mut names = text.match_indices("__");
    if !names.any(|(at, _)| !text[at..].starts_with("__typename")) {
        return false;
    }
    let operations = document.operations.iter();
    let operations = operations.map(|(_, operation)| &operation.node.selection_set.node);
    let fragments = document.fragments.values();
    let fragments = fragments.map(|fragment| &fragment.node.selection_set.node);
    operations.chain(fragments).any(selects_schema)
}

fn selects_schema(set: &SelectionSet) -> bool {
    set.items.iter().any(|item| match &item.node {
        Selection::Field(field) => {
            matches!(field.node.name.node.as_str(), "__schema" | "__type")
                || selects_schema(&field.node.selection_set.node)
        }
        Selection::InlineFragment(fragment) => selects_schema(&fragment.node.selection_set.node),
        Selection::FragmentSpread(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use async_graphql_parser::parse_query;

    use super::*;

    fn asks(text: &str) -> bool {
        introspects(text, &parse_query(text).expect("a document"))
    }

    #[test]
    fn only_a_selection_of_the_schema_asks_for_it() {
        for text in [
            "{ __schema { queryType { name } } }",
            "{ it: __type(name: \"Group\") { name } }",
            "{ ...F } fragment F on Query { __schema { queryType { name } } }",
            "{ ... on Query { ... { __schema { queryType { name } } } } }",
            "query A { a } query B { __schema { queryType { name } } }",
        ] {
            assert!(asks(text), "{text}");
        }
        for text in [
            "{ a { __typename } }",
            "query($__schema: ID!) { a(id: $__schema) }",
            "{ __type_of_mine: a(id: \"__schema\") }",
        ] {
            assert!(!asks(text), "{text}");
        }
    }
}
