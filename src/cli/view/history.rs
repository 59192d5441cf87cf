//! `pack history`: how an image came to be, newest first, the base's part marked in words.

use serde::Serialize;

use super::{BaseView, ImageStep, LayerOrigin, parts, steps};
use crate::cli::format::{Column, Screen, Table, bytes, count};
use crate::oci::Image;
use crate::types::digest::Digest;
use crate::types::platform::Platform;

/// The history of one image. In JSON, field names are in camel case and absent values are left out.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryView {
    /// The image as the user named it.
    pub name: String,
    /// The manifest's digest.
    pub digest: Digest,
    /// The platform, if the configuration names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The base, if the image names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseView>,
    /// Newest first.
    pub history: Vec<HistoryStep>,
    #[serde(skip)]
    parts: Vec<(LayerOrigin, u64, u64)>,
}

/// A step.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryStep {
    /// Whether the step is the base's or was added on top; absent if nothing tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<LayerOrigin>,
    /// When, RFC 3339, as the image says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By what; absent for a layer that the history does not mention.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// The author of the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The layer that it made; absent for an empty step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<HistoryLayer>,
}

/// The layer of a step.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryLayer {
    /// The digest of the compressed blob.
    pub digest: Digest,
    /// The digest of the uncompressed tar.
    pub diff_id: Digest,
    /// The blob's media type.
    pub media_type: String,
    /// The blob's bytes.
    pub size: u64,
}

/// The history of `image`, which the user called `name`. Without `base`, what the image's annotations say
/// is taken.
#[must_use]
pub fn view(name: &str, image: &Image, base: Option<BaseView>) -> HistoryView {
    let base = base.or_else(|| BaseView::of(image));
    let steps = steps(image, base.as_ref());
    HistoryView {
        name: name.to_owned(),
        digest: image.digest(),
        platform: image.platform(),
        parts: parts(&steps),
        history: steps.iter().rev().map(HistoryStep::from).collect(),
        base,
    }
}

impl From<&ImageStep<'_>> for HistoryStep {
    fn from(step: &ImageStep<'_>) -> Self {
        let entry = step.entry.cloned().unwrap_or_default();
        Self {
            origin: step.origin,
            created: entry.created,
            created_by: entry.created_by,
            author: entry.author,
            comment: entry.comment,
            layer: step.layer.map(|(layer, diff_id)| HistoryLayer {
                digest: layer.digest,
                diff_id,
                media_type: layer.media_type.to_string(),
                size: layer.size,
            }),
        }
    }
}

impl HistoryView {
    /// A table, and below it what is the base's and what was added. On a `screen`, long commands are cut
    /// to fit.
    #[must_use]
    pub fn text(&self, screen: Option<Screen>) -> String {
        let mut table = Table::new([
            Column::left("ORIGIN"),
            Column::left("CREATED"),
            Column::left("LAYER"),
            Column::right("SIZE"),
            Column::flexible("CREATED BY"),
            Column::flexible("COMMENT"),
        ]);
        for step in &self.history {
            let missing = if step.layer.is_some() { "(not in the history)" } else { "" };
            table.row([
                step.origin.map(LayerOrigin::as_str).unwrap_or_default(),
                &step.created.as_deref().map(to_second).unwrap_or_default(),
                &step.layer.as_ref().map(|layer| layer.digest.short()).unwrap_or_default(),
                &bytes(step.layer.as_ref().map_or(0, |layer| layer.size)),
                step.created_by.as_deref().unwrap_or(missing),
                step.comment.as_deref().unwrap_or_default(),
            ]);
        }
        let mut text = table.render(screen);
        if !self.parts.is_empty() {
            text.push('\n');
            text.push_str(&self.parts_table().render(None));
        }
        text
    }

    fn parts_table(&self) -> Table {
        let mut table =
            Table::new([Column::left(""), Column::right(""), Column::right(""), Column::left("")]);
        for &(origin, layers, size) in &self.parts {
            let name = match (origin, &self.base) {
                (LayerOrigin::Base, Some(base)) => base.reference(),
                _ => String::new(),
            };
            table.row([origin.as_str(), &count(layers, "layer"), &bytes(size), &name]);
        }
        table
    }
}

/// Drops fractions of a second, which BuildKit writes with nine digits.
pub(super) fn to_second(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, fraction)) => {
            let zone = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            format!("{seconds}{zone}")
        }
        None => time.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn two_versions_visibly_share_their_base() {
        let old = view("localhost:5000/shop/bookstore:1.0", &fixture::image("1.0"), None).text(None);
        let new = view("localhost:5000/shop/bookstore:1.1", &fixture::image("1.1"), None).text(None);
        insta::assert_snapshot!(old, @r#"
        ORIGIN  CREATED               LAYER            SIZE  CREATED BY
        added   1970-01-01T00:00:01Z  62b4c5a23ba0  12.3 kB  pack: classes
        added   1970-01-01T00:00:01Z  76b5a3573912   5.8 MB  pack: lib
        base    2024-05-01T10:00:00Z                    0 B  CMD ["catalina.sh" "run"]
        base    2024-05-01T10:00:00Z  51b912f34ae1  12.0 MB  COPY /usr/local/tomcat
        base    2024-05-01T10:00:00Z  81d93757457f  48.1 MB  debootstrap

        added  2 layers   5.8 MB
        base   2 layers  60.1 MB  localhost:5000/base/tomcat:10@sha256:97eb7411f685b48c23d3a9ed26fe85b0d9abda1bcc4ae9586502d5a3d548865e
        "#);
        let differ = old.lines().zip(new.lines()).filter(|(old, new)| old != new).count();
        assert_eq!(differ, 1, "{new}");
    }

    #[test]
    fn nothing_is_marked_where_nothing_tells() {
        insta::assert_snapshot!(view("tomcat:10", &fixture::base(), None).text(Some(Screen::plain(60))), @r#"
        CREATED               LAYER            SIZE  CREATED BY
        2024-05-01T10:00:00Z                    0 B  CMD ["catalina…
        2024-05-01T10:00:00Z  51b912f34ae1  12.0 MB  COPY /usr/loca…
        2024-05-01T10:00:00Z  81d93757457f  48.1 MB  debootstrap
        "#);
    }

    #[test]
    fn the_json_has_everything() {
        let mut view = view("bookstore", &fixture::image("1.0"), None);
        view.history.drain(1..3);
        view.history.truncate(2);
        insta::assert_snapshot!(serde_json::to_string_pretty(&view).expect("json"), @r#"
        {
          "name": "bookstore",
          "digest": "sha256:06cbfb71c438c4ea87bed8e5b3bb77fcae1e04e669949356158d780512a391ad",
          "platform": "linux/amd64",
          "base": {
            "name": "localhost:5000/base/tomcat:10",
            "digest": "sha256:97eb7411f685b48c23d3a9ed26fe85b0d9abda1bcc4ae9586502d5a3d548865e"
          },
          "history": [
            {
              "origin": "added",
              "created": "1970-01-01T00:00:01Z",
              "createdBy": "pack: classes",
              "layer": {
                "digest": "sha256:62b4c5a23ba0fde0baceb31a40d0ca3c06ae4bccdcaf56af83bc21234453af92",
                "diffId": "sha256:ffa6be5a546eeee3a67f4bf3c6dc2d235a109ebd95721621570882645370a324",
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "size": 12345
              }
            },
            {
              "origin": "base",
              "created": "2024-05-01T10:00:00Z",
              "createdBy": "COPY /usr/local/tomcat",
              "layer": {
                "digest": "sha256:51b912f34ae18b4e5ad349f50bc6fdd8d9a605d09bab4f302a09c7f790854296",
                "diffId": "sha256:3be75edf109655eac54ae61c974865464e5f77d4e622ebca7501bacd0725758c",
                "mediaType": "application/vnd.oci.image.layer.v1.tar+zstd",
                "size": 12000000
              }
            }
          ]
        }
        "#);
    }

    #[test]
    fn fractions_go_and_zones_stay() {
        assert_eq!(to_second("2024-05-01T10:00:00.123456789Z"), "2024-05-01T10:00:00Z");
        assert_eq!(to_second("2024-05-01T10:00:00.5+02:00"), "2024-05-01T10:00:00+02:00");
    }
}
