//! Each form, byte by byte.

use super::super::event::example;
use super::message;
use crate::types::delivery::{DeliveryKind, EventForm};

fn text(kind: DeliveryKind, form: EventForm) -> String {
    let message = message(&example(kind), form);
    let mut text = format!("content-type: {}\n", message.content_type);
    for (name, value) in message.headers {
        text += &format!("{name}: {value}\n");
    }
    text + "\n" + &String::from_utf8(message.body).expect("UTF-8")
}

#[test]
fn the_plain_form() {
    insta::assert_snapshot!(text(DeliveryKind::Push, EventForm::Webhook), @r#"
    content-type: application/json

    {"chain":"d0fede5a-8348-8228-985e-bb489059b4e3","digest":"sha256:11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437","id":"d0db2bba-ab63-8512-910f-61509ee4a9f6","image":"localhost:5000/shop/app","kind":"push","mediaType":"application/vnd.oci.image.manifest.v1+json","reference":"localhost:5000/shop/app:1.0@sha256:11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437","revision":"4f0c2d1","size":700,"tags":["1.0"],"time":"2025-07-01T10:00:00.123Z"}
    "#);
    insta::assert_snapshot!(text(DeliveryKind::Rollback, EventForm::Webhook), @r#"
    content-type: application/json

    {"chain":"d0fede5a-8348-8228-985e-bb489059b4e3","digest":"sha256:11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437","environment":"prod","id":"90ee59b0-847d-8d02-8f13-1b1885eb9c23","image":"localhost:5000/shop/app","kind":"rollback","mediaType":"application/vnd.oci.image.manifest.v1+json","previous":"sha256:cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4","reference":"localhost:5000/shop/app:1.0@sha256:11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437","release":7,"revision":"4f0c2d1","size":700,"tags":["1.0"],"time":"2025-07-01T10:00:00.123Z"}
    "#);
}

#[test]
fn cloud_events() {
    insta::assert_snapshot!(text(DeliveryKind::Push, EventForm::CloudEvents), @r#"
    content-type: application/json
    ce-specversion: 1.0
    ce-id: d0db2bba-ab63-8512-910f-61509ee4a9f6
    ce-type: pack.image.pushed.v1
    ce-source: oci://localhost:5000/shop/app
    ce-subject: shop/app@sha256:11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437
    ce-time: 2025-07-01T10:00:00.123Z

    {"chain":"d0fede5a-8348-8228-985e-bb489059b4e3","digest":"sha256:11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437","id":"d0db2bba-ab63-8512-910f-61509ee4a9f6","image":"localhost:5000/shop/app","kind":"push","mediaType":"application/vnd.oci.image.manifest.v1+json","reference":"localhost:5000/shop/app:1.0@sha256:11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437","revision":"4f0c2d1","size":700,"tags":["1.0"],"time":"2025-07-01T10:00:00.123Z"}
    "#);
    insta::assert_snapshot!(text(DeliveryKind::Promotion, EventForm::CloudEventsStructured), @r#"
    content-type: application/cloudevents+json

    {"data":{"chain":"d0fede5a-8348-8228-985e-bb489059b4e3","digest":"sha256:11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437","environment":"prod","id":"996f7f30-c6c9-8128-9828-86ea6629c83c","image":"localhost:5000/shop/app","kind":"promotion","mediaType":"application/vnd.oci.image.manifest.v1+json","previous":"sha256:cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4","reference":"localhost:5000/shop/app:1.0@sha256:11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437","release":7,"revision":"4f0c2d1","size":700,"tags":["1.0"],"time":"2025-07-01T10:00:00.123Z"},"datacontenttype":"application/json","id":"996f7f30-c6c9-8128-9828-86ea6629c83c","source":"oci://localhost:5000/shop/app","specversion":"1.0","subject":"shop/app@sha256:11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437","time":"2025-07-01T10:00:00.123Z","type":"pack.image.promoted.v1"}
    "#);
}

#[test]
fn cd_events() {
    insta::assert_snapshot!(text(DeliveryKind::Push, EventForm::CdEvents), @r#"
    content-type: application/json
    ce-specversion: 1.0
    ce-id: d0db2bba-ab63-8512-910f-61509ee4a9f6
    ce-type: dev.cdevents.artifact.published.0.3.0
    ce-source: oci://localhost:5000/shop/app
    ce-subject: pkg:oci/app@sha256%253A11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437?repository_url=localhost%253A5000%252Fshop%252Fapp&tag=1.0
    ce-time: 2025-07-01T10:00:00.123Z

    {"context":{"chainId":"d0fede5a-8348-8228-985e-bb489059b4e3","id":"d0db2bba-ab63-8512-910f-61509ee4a9f6","source":"oci://localhost:5000/shop/app","specversion":"0.5.1","timestamp":"2025-07-01T10:00:00.123Z","type":"dev.cdevents.artifact.published.0.3.0"},"customData":{"digest":"sha256:11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437","image":"localhost:5000/shop/app","revision":"4f0c2d1","tags":["1.0"]},"customDataContentType":"application/json","subject":{"content":{},"id":"pkg:oci/app@sha256%3A11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437?repository_url=localhost%3A5000%2Fshop%2Fapp&tag=1.0","source":"oci://localhost:5000/shop/app"}}
    "#);
    insta::assert_snapshot!(text(DeliveryKind::Promotion, EventForm::CdEvents), @r#"
    content-type: application/json
    ce-specversion: 1.0
    ce-id: 996f7f30-c6c9-8128-9828-86ea6629c83c
    ce-type: dev.cdevents.service.upgraded.0.3.0
    ce-source: oci://localhost:5000/shop/app
    ce-subject: localhost:5000/shop/app
    ce-time: 2025-07-01T10:00:00.123Z

    {"context":{"chainId":"d0fede5a-8348-8228-985e-bb489059b4e3","id":"996f7f30-c6c9-8128-9828-86ea6629c83c","source":"oci://localhost:5000/shop/app","specversion":"0.5.1","timestamp":"2025-07-01T10:00:00.123Z","type":"dev.cdevents.service.upgraded.0.3.0"},"customData":{"digest":"sha256:11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437","image":"localhost:5000/shop/app","previous":"sha256:cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4","release":7,"revision":"4f0c2d1","tags":["1.0"]},"customDataContentType":"application/json","subject":{"content":{"artifactId":"pkg:oci/app@sha256%3A11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437?repository_url=localhost%3A5000%2Fshop%2Fapp&tag=1.0","environment":{"id":"prod"}},"id":"localhost:5000/shop/app","source":"oci://localhost:5000/shop/app"}}
    "#);
    insta::assert_snapshot!(text(DeliveryKind::Push, EventForm::CdEvents04), @r#"
    content-type: application/json
    ce-specversion: 1.0
    ce-id: d0db2bba-ab63-8512-910f-61509ee4a9f6
    ce-type: dev.cdevents.artifact.published.0.2.0
    ce-source: oci://localhost:5000/shop/app
    ce-subject: pkg:oci/app@sha256%253A11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437?repository_url=localhost%253A5000%252Fshop%252Fapp&tag=1.0
    ce-time: 2025-07-01T10:00:00.123Z

    {"context":{"chainId":"d0fede5a-8348-8228-985e-bb489059b4e3","id":"d0db2bba-ab63-8512-910f-61509ee4a9f6","source":"oci://localhost:5000/shop/app","timestamp":"2025-07-01T10:00:00.123Z","type":"dev.cdevents.artifact.published.0.2.0","version":"0.4.1"},"customData":{"digest":"sha256:11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437","image":"localhost:5000/shop/app","revision":"4f0c2d1","tags":["1.0"]},"customDataContentType":"application/json","subject":{"content":{},"id":"pkg:oci/app@sha256%3A11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437?repository_url=localhost%3A5000%2Fshop%2Fapp&tag=1.0","source":"oci://localhost:5000/shop/app","type":"artifact"}}
    "#);
    insta::assert_snapshot!(text(DeliveryKind::Rollback, EventForm::CdEvents04), @r#"
    content-type: application/json
    ce-specversion: 1.0
    ce-id: 90ee59b0-847d-8d02-8f13-1b1885eb9c23
    ce-type: dev.cdevents.service.rolledback.0.2.0
    ce-source: oci://localhost:5000/shop/app
    ce-subject: localhost:5000/shop/app
    ce-time: 2025-07-01T10:00:00.123Z

    {"context":{"chainId":"d0fede5a-8348-8228-985e-bb489059b4e3","id":"90ee59b0-847d-8d02-8f13-1b1885eb9c23","source":"oci://localhost:5000/shop/app","timestamp":"2025-07-01T10:00:00.123Z","type":"dev.cdevents.service.rolledback.0.2.0","version":"0.4.1"},"customData":{"digest":"sha256:11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437","image":"localhost:5000/shop/app","previous":"sha256:cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4","release":7,"revision":"4f0c2d1","tags":["1.0"]},"customDataContentType":"application/json","subject":{"content":{"artifactId":"pkg:oci/app@sha256%3A11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437?repository_url=localhost%3A5000%2Fshop%2Fapp&tag=1.0","environment":{"id":"prod"}},"id":"localhost:5000/shop/app","source":"oci://localhost:5000/shop/app","type":"service"}}
    "#);
}

#[test]
fn the_form_of_registries() {
    insta::assert_snapshot!(text(DeliveryKind::Push, EventForm::Registry), @r#"
    content-type: application/vnd.docker.distribution.events.v1+json

    {"events":[{"action":"push","actor":{},"id":"d0db2bba-ab63-8512-910f-61509ee4a9f6","request":{"host":"localhost:5000","id":"d0db2bba-ab63-8512-910f-61509ee4a9f6","method":"PUT","useragent":"pack"},"source":{},"target":{"digest":"sha256:11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437","length":700,"mediaType":"application/vnd.oci.image.manifest.v1+json","repository":"shop/app","size":700,"tag":"1.0"},"timestamp":"2025-07-01T10:00:00.123Z"}]}
    "#);
}

#[test]
fn a_first_promotion_deploys() {
    let mut event = example(DeliveryKind::Promotion);
    event.previous = None;
    let message = message(&event, EventForm::CdEvents);
    assert!(message.headers.contains(&("ce-type", "dev.cdevents.service.deployed.0.3.0".to_owned())));
}
