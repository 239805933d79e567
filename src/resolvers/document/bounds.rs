//! What is refused of a document before anything recurses into it.

use async_graphql_parser::types::{ExecutableDocument, Selection, SelectionSet};

use crate::resolvers::document::DocumentError;

/// Refuses deep brackets before the parser meets them: it recurses, and a few thousand
/// levels would overflow the stack and end the process. One pass; texts and comments
/// are skipped.
pub(super) fn check_nesting(text: &str, limit: usize) -> Result<(), DocumentError> {
    let bytes = text.as_bytes();
    // Where no block ended, none that begins later does: looking once keeps this one pass.
    let mut blocks_end = true;
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
                let end = if blocks_end {
                    end_of_block(bytes, i + 3)
                } else {
                    None
                };
                blocks_end = end.is_some();
                i = end.unwrap_or(i + 1);
            }
            b'"' => i = end_of_text(bytes, i + 1),
            _ => {}
        }
        i += 1;
    }
    Ok(())
}

/// The place where a comment ends.
fn end_of_line(bytes: &[u8], i: usize) -> usize {
    bytes[i..]
        .iter()
        .position(|b| matches!(b, b'\n' | b'\r'))
        .map_or(bytes.len(), |n| i + n)
}

/// Refuses wide documents before the engine meets them, for its own bounds are checked
/// by walking all of it: too many fields, variables and fragments, used or not, and
/// fragments that double with every level or run in circles.
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
    fn follow(document: &ExecutableDocument, set: &SelectionSet, left: &mut usize) -> Option<()> {
        for item in &set.items {
            *left = left.checked_sub(1)?;
            let inner = match &item.node {
                Selection::Field(field) => Some(&field.node.selection_set),
                Selection::InlineFragment(fragment) => Some(&fragment.node.selection_set),
                Selection::FragmentSpread(spread) => {
                    let fragment = document.fragments.get(&spread.node.fragment_name.node);
                    fragment.map(|fragment| &fragment.node.selection_set)
                }
            };
            if let Some(inner) = inner {
                follow(document, &inner.node, left)?;
            }
        }
        Some(())
    }
    let operations = document
        .operations
        .iter()
        .map(|(_, operation)| &operation.node);
    let written = operations.map(|o| o.variable_definitions.len() + count(&o.selection_set.node));
    let fragments = document.fragments.values();
    let unfolded = fragments.map(|fragment| 1 + count(&fragment.node.selection_set.node));
    if written.chain(unfolded).sum::<usize>() > limit {
        return Err(DocumentError::TooWide { limit });
    }
    let mut left = limit;
    for (_, operation) in document.operations.iter() {
        follow(document, &operation.node.selection_set.node, &mut left)
            .ok_or(DocumentError::TooWide { limit })?;
    }
    Ok(())
}

/// The place of the quote that ends a text; a line's end ends it as well, as an error.
fn end_of_text(bytes: &[u8], mut i: usize) -> usize {
    while i < bytes.len() && !matches!(bytes[i], b'"' | b'\n') {
        i += if bytes[i] == b'\\' { 2 } else { 1 };
    }
    i
}

/// The place of the last quote that ends a block. One that does not end is no block to
/// the parser: it takes the first two quotes for an empty text and reads on.
fn end_of_block(bytes: &[u8], mut i: usize) -> Option<usize> {
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
