//! Checks of a document before any recursive function runs on it.

use async_graphql_parser::types::{ExecutableDocument, Selection, SelectionSet};

use crate::resolvers::document::DocumentError;

/// Rejects deep brackets before the parser runs: it recurses, and a few thousand levels
/// would overflow the stack and end the process. One pass; strings and comments are
/// skipped.
pub(super) fn check_nesting(text: &str, limit: usize) -> Result<(), DocumentError> {
    let bytes = text.as_bytes();
    // If one block string has no end, no later one has: searching once keeps this one pass.
    let mut block_has_end = true;
    let (mut depth, mut i) = (0_usize, 0);
    while i < bytes.len() {
        match bytes[i] {
            b'(' | b'[' | b'{' => {
                depth += 1;
                if depth > limit {
                    let line = text[..i].matches('\n').count() + 1;
                    let column = text[..i]
                        .rsplit('\n')
                        .next()
                        .map_or(0, |l| l.chars().count())
                        + 1;
                    return Err(DocumentError::TooDeep {
                        limit,
                        at: (line, column),
                    });
                }
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'#' => i = end_of_line(bytes, i),
            b'"' if bytes[i..].starts_with(b"\"\"\"") => {
                let end = if block_has_end {
                    end_of_block_string(bytes, i + 3)
                } else {
                    None
                };
                block_has_end = end.is_some();
                i = end.unwrap_or(i + 1);
            }
            b'"' => i = end_of_string(bytes, i + 1),
            _ => {}
        }
        i += 1;
    }
    Ok(())
}

/// The index where a comment ends.
fn end_of_line(bytes: &[u8], i: usize) -> usize {
    bytes[i..]
        .iter()
        .position(|b| matches!(b, b'\n' | b'\r'))
        .map_or(bytes.len(), |n| i + n)
}

/// Rejects wide documents before the engine, which visits all of a document to check its
/// own limits: too many fields, variables and fragments, used or not, and fragments that
/// double with every level or form a cycle.
pub(super) fn check_width(
    document: &ExecutableDocument,
    limit: usize,
) -> Result<(), DocumentError> {
    fn count(set: &SelectionSet) -> usize {
        let inner = set.items.iter().map(|item| match &item.node {
            Selection::Field(field) => 1 + count(&field.node.selection_set.node),
            Selection::InlineFragment(inline) => 1 + count(&inline.node.selection_set.node),
            Selection::FragmentSpread(_) => 1,
        });
        inner.sum()
    }
    fn expand(
        document: &ExecutableDocument,
        set: &SelectionSet,
        remaining: &mut usize,
    ) -> Option<()> {
        for item in &set.items {
            *remaining = remaining.checked_sub(1)?;
            let inner = match &item.node {
                Selection::Field(field) => Some(&field.node.selection_set),
                Selection::InlineFragment(fragment) => Some(&fragment.node.selection_set),
                Selection::FragmentSpread(spread) => {
                    let fragment = document.fragments.get(&spread.node.fragment_name.node);
                    fragment.map(|fragment| &fragment.node.selection_set)
                }
            };
            if let Some(inner) = inner {
                expand(document, &inner.node, remaining)?;
            }
        }
        Some(())
    }
    let operations = document
        .operations
        .iter()
        .map(|(_, operation)| &operation.node);
    let in_operations =
        operations.map(|o| o.variable_definitions.len() + count(&o.selection_set.node));
    let fragments = document.fragments.values();
    let in_fragments = fragments.map(|fragment| 1 + count(&fragment.node.selection_set.node));
    if in_operations.chain(in_fragments).sum::<usize>() > limit {
        return Err(DocumentError::TooWide { limit });
    }
    let mut remaining = limit;
    for (_, operation) in document.operations.iter() {
        expand(document, &operation.node.selection_set.node, &mut remaining)
            .ok_or(DocumentError::TooWide { limit })?;
    }
    Ok(())
}

/// The index of the quote that ends a string. The end of the line ends it as well; the
/// parser rejects that.
fn end_of_string(bytes: &[u8], mut i: usize) -> usize {
    while i < bytes.len() && !matches!(bytes[i], b'"' | b'\n') {
        i += if bytes[i] == b'\\' { 2 } else { 1 };
    }
    i
}

/// The index of the last quote that ends a block string. The parser does not take one
/// without an end for a block string: it reads its first two quotes as an empty string.
fn end_of_block_string(bytes: &[u8], mut i: usize) -> Option<usize> {
    while i < bytes.len() {
        if bytes[i..].starts_with(b"\\\"\"\"") {
            i += 4;
        } else if bytes[i..].starts_with(b"\"\"\"") {
            return Some(i + 2);
        } else {
            i += 1;
        }
    }
    None
}
