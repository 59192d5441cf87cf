//! Listing tags.

use super::super::fake::{Action, Fault, Kind, Reply};
use super::*;

fn list(bench: &Bench) -> Result<Vec<String>, RegistryError> {
    let tags = client(quick()).tags(&bench.repository)?;
    Ok(tags.iter().map(ToString::to_string).collect())
}

#[test]
fn all_pages_are_listed() {
    let bench = Bench::new();
    let raw = bench.image.raw();
    for number in 0..1_100 {
        let tag = format!("t{number:04}");
        bench.fake.put_manifest("shop/app", &tag, raw.media_type.as_ref(), &raw.bytes);
    }
    let _ = bench.fake.take_log();
    let tags = list(&bench).expect("listed");
    assert_eq!((tags.len(), tags[0].as_str(), tags[1_100].as_str()), (1_101, "1.0", "t1099"));
    let asked: Vec<String> = bench.fake.take_log().iter().map(|logged| logged.target.clone()).collect();
    assert_eq!(asked[0], "/v2/shop/app/tags/list?n=1000");
    assert!(asked[1].contains("last=t0998") && asked.len() == 2, "{asked:?}");
    let nobody: Repository = format!("{}/no/body", bench.fake.address()).parse().expect("valid");
    let error = client(quick()).tags(&nobody).expect_err("no such repository");
    assert!(
        matches!(error, RegistryError::NotFound { .. }) && error.to_string().contains("no/body"),
        "{error}"
    );
}

#[test]
fn a_list_that_is_none_or_has_no_end_or_leads_away_is_refused() {
    let body = |body: &'static str| Action::Answer(Reply::new(200).body(body));
    let bench = Bench::new();
    bench.fake.fault(Fault::always("GET", Kind::Tags, body("{\"name\":\"a\",\"tags\":null}")));
    assert_eq!(list(&bench).expect("no tags are none"), Vec::<String>::new());
    let elsewhere = format!("<http://{}/v2/shop/app/tags/list>; rel=\"next\"", bench.fake.foreign_address());
    let here = "</v2/shop/app/tags/list>; rel=\"next\"";
    let linked = |link: &str| {
        let link = link.to_owned();
        Action::edit(move |reply| reply.set("Link", Some(&link)))
    };
    for (action, why) in [
        (body("<html>"), "no list of tags"),
        (body("[]"), "no list of tags"),
        (body("{\"tags\":[1]}"), "no list of tags"),
        (body("{\"tags\":[],\"Tags\":[\"a\"]}"), "no list of tags"),
        (body("{\"tags\":[\"a b\"]}"), "which is not a tag"),
        (linked(&elsewhere), "goes on at another host"),
        (linked(here), "goes round in a circle"),
    ] {
        let bench = Bench::new();
        bench.fake.fault(Fault::always("GET", Kind::Tags, action));
        let error = list(&bench).expect_err(why).to_string();
        assert!(error.contains(why), "{why}: {error}");
        assert!(error.contains("listing the tags of shop/app"), "{error}");
    }
}
