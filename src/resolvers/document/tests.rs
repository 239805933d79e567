//! Valid and invalid documents.

use proptest::prelude::*;

use super::*;

fn request<'a>(query: &'a str, name: Option<&'a str>) -> GraphQlRequest<'a> {
    GraphQlRequest {
        query: query.into(),
        variables: None,
        operation_name: name.map(Into::into),
    }
}

fn parse(query: &str) -> Result<Document, DocumentError> {
    DocumentCache::new(DocumentLimits::default()).get(&request(query, None))
}

#[test]
fn deep_brackets_are_rejected_before_they_are_parsed() {
    for (open, close) in [("[", "]"), ("{a:", "}"), ("(", ")")] {
        let text = format!(
            "{{ f(a: {}1{}) }}",
            open.repeat(50_000),
            close.repeat(50_000)
        );
        assert!(matches!(
            parse(&text),
            Err(DocumentError::TooDeep { limit: 64, .. })
        ));
    }
    assert!(
        parse(&format!(
            "{{ f(a: {}1{}) }}",
            "[".repeat(60),
            "]".repeat(60)
        ))
        .is_ok()
    );
}

#[test]
fn fragments_that_multiply_or_form_a_cycle_are_rejected_before_they_are_expanded() {
    let doubling = |i| format!("fragment F{i} on Q {{ ...F{0} ...F{0} }}", i + 1);
    let bomb = (0..60).map(doubling).collect::<Vec<_>>().join(" ");
    for text in [
        format!("{{ ...F0 }} {bomb} fragment F60 on Q {{ f }}"),
        format!("query A {{ f }} query B {{ ...F0 }} {bomb} fragment F60 on Q {{ f }}"),
        "{ ...A } fragment A on Q { ...B } fragment B on Q { f ...A }".into(),
    ] {
        let named = request(&text, text.contains("query A").then_some("A"));
        let error = DocumentCache::new(DocumentLimits::default())
            .get(&named)
            .unwrap_err();
        assert_eq!(error, DocumentError::TooWide { limit: 400 });
    }
    assert!(parse(&format!("{{ {} }}", "f ".repeat(400))).is_ok());
}

#[test]
fn a_block_string_without_an_end_hides_no_brackets() {
    for levels in [65, 400, 100_000] {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        let text = format!("{{a(b:[\"\"\" \" {open}{close}])}}");
        assert!(matches!(parse(&text), Err(DocumentError::TooDeep { .. })));
    }
}

#[test]
fn fragments_and_variables_count_whether_they_are_used_or_not() {
    let fragments = |n: usize| -> String {
        (0..n)
            .map(|n| format!("fragment F{n} on Query {{ a ...F{} }} ", n + 1))
            .collect::<Vec<_>>()
            .concat()
    };
    let wide = format!("{{ __typename }} {}", fragments(2_000));
    assert!(matches!(parse(&wide), Err(DocumentError::TooWide { .. })));
    let variables = (0..2_000)
        .map(|n| format!("$v{n}: Int "))
        .collect::<Vec<_>>()
        .concat();
    let wide = format!("query({variables}) {{ __typename }}");
    assert!(matches!(parse(&wide), Err(DocumentError::TooWide { .. })));
}

#[test]
fn brackets_in_strings_and_comments_do_not_count() {
    let many = "[".repeat(200);
    for text in [
        format!("{{ f(a: \"{many}\") }}"),
        format!("{{ f(a: \"\\\"{many}\") }}"),
        format!("{{ f(a: \"\"\"{many} \\\"\"\" {many}\"\"\") }}"),
        format!("# {many}\n{{ f }}"),
    ] {
        assert!(parse(&text).is_ok(), "{text}");
    }
}

#[test]
fn a_syntax_error_has_a_location_and_does_not_quote_the_document() {
    let error = parse("{ f(secret: \"kitten\"").unwrap_err();
    assert!(!error.to_string().contains("kitten"));
    assert_eq!(error.locations().len(), 1);
}

#[test]
fn a_request_is_parsed_or_rejected() {
    let variables = |json: &str| {
        GraphQlRequest::parse(json.as_bytes()).and_then(|request| Some(request.variables()?.len()))
    };
    assert_eq!(
        variables(r#"{"query":"{ a }","variables":{"x":1},"extensions":{}}"#),
        Some(1)
    );
    assert_eq!(
        variables(r#"{"query":"{ a }","variables":null,"operationName":null}"#),
        Some(0)
    );
    let deep = format!(
        r#"{{"query":"{{ a }}","variables":{{"x":{}{}}}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    for invalid in [
        &*deep,
        r#"{"query":"{ a }","variables":{"x":"\ud800"}}"#,
        "",
        "meow",
        "{}",
        "[]",
        r#"{"query":7}"#,
        r#"{"query":"{ a }","variables":"x"}"#,
    ] {
        assert_eq!(variables(invalid), None, "{invalid}");
    }
}

#[test]
fn the_operation_is_selected_by_name() {
    let documents = DocumentCache::new(DocumentLimits::default());
    let named = |name| {
        let request = request("query A { a } mutation B { b }", name);
        documents.get(&request).map(|document| document.kind())
    };
    assert_eq!(named(Some("B")), Ok(OperationType::Mutation));
    assert_eq!(named(None), Err(DocumentError::NoOperationName));
    assert_eq!(
        named(Some("C")),
        Err(DocumentError::UnknownOperation("C".into()))
    );
}

#[test]
fn a_required_variable_without_a_value_is_named() {
    let document = parse("query Q($x: String!, $y: Int, $z: Int! = 1) { f }").unwrap();
    let check = |json: serde_json::Value| {
        document
            .check_variables(&Variables::from_json(json))
            .map_err(|e| e.to_string())
    };
    assert_eq!(check(serde_json::json!({"x": "1"})), Ok(()));
    let text = "Variable 'x' has coerced Null value for NonNull type 'String!'";
    assert_eq!(check(serde_json::json!({})), Err(text.to_owned()));
    assert_eq!(check(serde_json::json!({"x": null})), Err(text.to_owned()));
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_rejected_and_never_panics(text in "[\\[\\](){}\"#\\\\\n a:é]{0,200}") {
        let _ = parse(&text);
    }
}
