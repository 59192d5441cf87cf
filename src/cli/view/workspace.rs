//! The end of a run of several members: how each ended, and all of them in figures, as text and as JSON.

use std::time::Duration;

use serde::Serialize;

use super::super::format::{Column, Screen, Table, bytes, duration, number};
use super::super::summary::{LayerState, Summary};
use crate::project::results::MemberEnd;
use crate::types::error_code::ErrorCode;
use crate::types::policy::PolicyRefusal;

/// How many members a table shows.
const MOST_ROWS: usize = 50;

/// One member.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberView {
    /// Its name.
    pub member: String,
    /// Its directory, relative to the root.
    pub path: String,
    /// How it ended.
    pub end: MemberEnd,
    /// Why it counts as changed, where that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Its image, as `pack build --json` tells of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Summary>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The situation of that, where the documents explain it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
    /// The reasons, where a policy refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Box<PolicyRefusal>>,
}

/// All members of a run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunView {
    /// In the order of their paths.
    pub members: Vec<MemberView>,
    /// The names of those that did not change.
    pub left_out: Vec<String>,
    /// How long it all took; `elapsedSeconds` in JSON.
    #[serde(rename = "elapsedSeconds", serialize_with = "seconds")]
    pub elapsed: Duration,
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_millis() as f64 / 1000.0)
}

impl RunView {
    /// The images that are where they were wanted: the lines of stdout.
    pub fn references(&self) -> impl Iterator<Item = String> {
        self.members.iter().filter_map(|member| member.image.as_ref()).map(Summary::reference)
    }

    /// A table of the members that were built or failed, and a line in total, for stderr.
    #[must_use]
    pub fn text(&self, screen: Option<Screen>) -> String {
        let mut table = Table::new([
            Column::flexible("MEMBER"),
            Column::left("END"),
            Column::left("LAYERS"),
            Column::right("SENT"),
            Column::left("DIGEST"),
        ]);
        let is_shown =
            |member: &&MemberView| !matches!(member.end, MemberEnd::Unchanged | MemberEnd::NotStarted);
        let shown = self.members.iter().filter(is_shown).count();
        for member in self.members.iter().filter(is_shown).take(MOST_ROWS) {
            let image = member.image.as_ref();
            table.row([
                member.member.clone(),
                member.end.as_str().to_owned(),
                image.map(layers).unwrap_or_default(),
                image.filter(|image| image.sent > 0).map(|image| bytes(image.sent)).unwrap_or_default(),
                image.map(|image| image.digest.short()).unwrap_or_default(),
            ]);
        }
        let mut text = if shown > 0 { table.render(screen) } else { String::new() };
        if shown > MOST_ROWS {
            text.push_str(&format!("and {} more\n", number((shown - MOST_ROWS) as u64)));
        }
        text.push_str(&self.total());
        text.push('\n');
        text
    }

    fn total(&self) -> String {
        let mut parts = Vec::new();
        for end in MemberEnd::ALL {
            let count = self.members.iter().filter(|member| member.end == end).count();
            if count > 0 {
                parts.push(format!("{} {}", number(count as u64), end.as_str()));
            }
        }
        if !self.left_out.is_empty() {
            parts.push(format!("{} left out", number(self.left_out.len() as u64)));
        }
        if self.members.is_empty() {
            parts.insert(0, "nothing to build".to_owned());
        }
        let images = || self.members.iter().filter_map(|member| member.image.as_ref());
        let sums = [
            ("sent", images().map(|image| image.sent).sum::<u64>()),
            ("wrote", images().map(|image| image.written).sum()),
            ("reused", images().map(|image| image.reused).sum()),
        ];
        for (what, amount) in sums {
            if amount > 0 {
                parts.push(format!("{what} {}", bytes(amount)));
            }
        }
        parts.push(duration(self.elapsed));
        parts.join(", ")
    }
}

/// How many layers of an image were built, and how many not.
fn layers(image: &Summary) -> String {
    let layers = image.images.iter().flat_map(|image| &image.layers);
    let (mut built, mut reused) = (0_u64, 0_u64);
    for layer in layers {
        match layer.state {
            LayerState::Base => {}
            LayerState::Cached { .. } => reused += 1,
            LayerState::Built(_) => built += 1,
        }
    }
    match (built, reused) {
        (0, reused) => format!("{reused} reused"),
        (built, 0) => format!("{built} built"),
        (built, reused) => format!("{built} built, {reused} reused"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::digest::Digest;

    fn member(name: &str, end: MemberEnd) -> MemberView {
        let image = matches!(end, MemberEnd::Built | MemberEnd::Unchanged).then(|| Summary {
            name: format!("localhost:5000/shop/{name}"),
            digest: Digest::of(name.as_bytes()),
            tags: vec!["1".to_owned()],
            images: Vec::new(),
            is_unchanged: false,
            attached: Vec::new(),
            findings: Vec::new(),
            outputs: vec!["registry".to_owned()],
            sent: if end == MemberEnd::Built { 12_300 } else { 0 },
            written: 0,
            reused: 1_000_000,
            elapsed: Duration::from_millis(200),
        });
        let error = (end == MemberEnd::Failed).then(|| "no artifact".to_owned());
        MemberView {
            member: name.to_owned(),
            path: format!("services/{name}"),
            end,
            why: None,
            image,
            error,
            code: (end == MemberEnd::Failed).then_some(ErrorCode::ArtifactMissing),
            policy: None,
        }
    }

    fn run() -> RunView {
        RunView {
            members: vec![
                member("billing", MemberEnd::Built),
                member("cart", MemberEnd::Unchanged),
                member("orders", MemberEnd::Failed),
                member("shop", MemberEnd::NotStarted),
            ],
            left_out: vec!["attic".to_owned()],
            elapsed: Duration::from_millis(1_240),
        }
    }

    #[test]
    fn a_run_is_a_table_of_what_happened_and_a_line() {
        insta::assert_snapshot!(run().text(None), @r"
        MEMBER   END     LAYERS       SENT  DIGEST
        billing  built   0 reused  12.3 kB  0c95c7ece1ce
        orders   failed
        1 built, 1 unchanged, 1 failed, 1 not started, 1 left out, sent 12.3 kB, reused 2.0 MB, 1.2 s
        ");
        let nothing = RunView { members: Vec::new(), left_out: vec!["a".to_owned()], ..run() };
        assert_eq!(nothing.text(None), "nothing to build, 1 left out, 1.2 s\n");
    }

    #[test]
    fn images_are_told_in_the_order_of_the_members() {
        let names: Vec<String> =
            run().references().map(|line| line.split('@').next().expect("a name").to_owned()).collect();
        assert_eq!(names, ["localhost:5000/shop/billing", "localhost:5000/shop/cart"]);
    }

    #[test]
    fn the_same_as_json() {
        let mut run = run();
        run.members.drain(..2);
        insta::assert_snapshot!(serde_json::to_string(&run).expect("json"), @r#"{"members":[{"member":"orders","path":"services/orders","end":"failed","error":"no artifact","code":"artifact-missing"},{"member":"shop","path":"services/shop","end":"not-started"}],"leftOut":["attic"],"elapsedSeconds":1.24}"#);
    }
}
