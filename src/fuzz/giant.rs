//! Inputs that are deep or long rather than strange: stacks, memory and squares of lengths.

/// How deep what nests is nested: far beyond any stack, were each level a call.
const DEPTH: usize = 100_000;
/// Bytes of what is long.
const LENGTH: usize = 1 << 20;

/// Long and deep texts: a parser that cannot read them must refuse them cheaply.
pub(super) fn texts() -> Vec<Vec<u8>> {
    let nested = |open: &str, close: &str| format!("{}{}", open.repeat(DEPTH), close.repeat(DEPTH));
    let manifests = |open: &str| format!(r#"{{"schemaVersion":2,"manifests":{open}"#);
    let numbers: String = (0..30_000).map(|number| format!("\"{number}\":{{}},")).collect();
    let empty = r#"{"mediaType":"a/b","digest":"sha256:","size":0},"#.repeat(20_000);
    let tables: String = (0..3_000).map(|number| format!("[a.b{number}]\nc = {number}\n")).collect();
    [
        nested("[", "]"),
        nested("{\"a\":", "}"),
        nested("[{\"manifests\":", "}]"),
        manifests(&nested("[", "]")),
        manifests(&format!("[{empty}null]}}")),
        format!("{{\"schemaVersion\":2,\"annotations\":{{{numbers}\"x\":0}}}}"),
        format!("{{\"config\":{{\"Labels\":{}", nested("{\"a\":", "}")),
        format!("a = {}", nested("[", "]")),
        format!("a = {}", nested("{a=", "}")),
        format!("{}x = 1", "a.".repeat(DEPTH)),
        format!("[{}x]\n", "a.".repeat(DEPTH)),
        "[[a]]\n".repeat(20_000),
        tables,
        "a = '".repeat(20_000),
        "x".repeat(LENGTH),
        "\"".repeat(LENGTH),
        "\\".repeat(LENGTH),
        "9".repeat(LENGTH),
        "Basic,".repeat(20_000),
        "Bearer realm=\"".repeat(20_000),
        format!("Bearer {}", "a=\"b\\\"\",".repeat(20_000)),
        format!("/{}", "../".repeat(DEPTH)),
        format!("https://{}/", "a.".repeat(20_000)),
        format!("localhost/{}", "a/".repeat(20_000)),
        "a/**/".repeat(2_000),
        "{a,".repeat(1_300),
        format!("{}{}", "{a,".repeat(10_000), "}".repeat(10_000)),
        format!("[image]\nbase = 'scratch'\n[[layer]]\nname = 'a'\nfiles = [{{ from = 'a', to = '/a', exclude = ['{}{}'] }}]",
            "{a,".repeat(10_000), "}".repeat(10_000)),
        "[!".repeat(2_000),
        "*a".repeat(200),
    ]
    .map(String::into_bytes)
    .into()
}

/// Archives and layers with very many or very long parts.
pub(super) fn archives() -> Vec<Vec<u8>> {
    use tar::EntryType as T;

    use super::seeds::entry;
    let finished = |fill: &dyn Fn(&mut tar::Builder<Vec<u8>>)| {
        let mut builder = tar::Builder::new(Vec::new());
        fill(&mut builder);
        builder.into_inner().unwrap_or_default()
    };
    let deep = "d/".repeat(8_000);
    let record = format!("{} a=b\n", 6).repeat(100_000);
    let mut many = crate::formats::zip::fixture::write(&[]);
    let items: Vec<_> = (0..2_000).map(|number| format!("d{}/f{number}", number % 7)).collect();
    let items: Vec<_> =
        items.iter().map(|name| crate::formats::zip::fixture::Item::stored(name, b"x")).collect();
    many.extend(crate::formats::zip::fixture::write(&items));
    vec![
        finished(&|it| {
            for _ in 0..5_000 {
                entry(it, T::Regular, "again", "", b"");
            }
        }),
        finished(&|it| {
            for _ in 0..8 {
                entry(it, T::GNULongName, "././@LongLink", "", deep.as_bytes());
                entry(it, T::Directory, "cut", "", b"");
            }
        }),
        finished(&|it| {
            for _ in 0..40 {
                entry(it, T::XHeader, "records", "", record.as_bytes());
            }
            entry(it, T::Regular, "after", "", b"");
        }),
        finished(&|it| {
            for _ in 0..2_000 {
                entry(it, T::XGlobalHeader, "global", "", b"14 comment=abc\n");
            }
        }),
        crate::formats::zip::fixture::write(&items),
        many,
        crate::formats::zip::fixture::write(&[crate::formats::zip::fixture::Item::deflated(
            "bomb",
            &vec![0; 8 << 20],
        )]),
        crate::formats::zip::fixture::write(&[crate::formats::zip::fixture::Item::stored(&deep, b"")]),
    ]
}
