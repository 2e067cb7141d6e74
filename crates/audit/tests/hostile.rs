//! Texts from outside: whatever they hold, one event is one line, reads back as it was, and acts on no terminal.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use std::fs;

use common::*;
use serde_json::json;
use teleport_audit::{Body, Event, LONGEST, event::UserLogin, store::Filter};

const HOSTILE: &[&str] = &[
    "a\nb\r\nc",
    "{\"event\":\"user.login\",\"success\":true}",
    "\"}\n{\"writer\":\"forged\"}",
    "\u{1b}[31mred\u{1b}]52;c;aGk=\u{7}",
    "\u{9b}31m\u{9d}0;title\u{9c}",
    "\u{202e}gpj.exe\u{202c}\u{2066}\u{2069}",
    "\u{2028}\u{2029}\u{feff}\u{200b}\u{7f}\0",
    "naïve 名前 🦀 \\ \" /",
];

#[test]
fn hostile_texts_come_back_as_they_were_from_one_line_each() {
    let (dir, log) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let emitter = emitter(dir.path());
    for text in HOSTILE {
        emitter.emit(attempt(text).by_claimed(text).failed(*text)).unwrap();
    }
    let content = fs::read_to_string(dir.path().join(format!("{:020}.ndjson", 1))).unwrap();
    assert_eq!(content.lines().count(), HOSTILE.len());
    let records = spooled(dir.path());
    assert_chain(&records);
    let store = open_store(log.path());
    take(&store, &records).unwrap();
    let mut read: Vec<String> = Vec::new();
    for event in store.query(&Filter::default(), 100).unwrap() {
        assert_eq!(event.kind(), "auth");
        assert_eq!((event.user(), event.text("error")), (event.text("message"), event.text("message")));
        read.push(event.text("message").to_owned());
    }
    read.sort();
    let mut sent: Vec<&str> = HOSTILE.to_vec();
    sent.sort_unstable();
    assert_eq!(read, sent);
}

#[test]
fn nothing_in_the_file_acts_on_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let emitter = emitter(dir.path());
    HOSTILE.iter().for_each(|text| emitter.emit(attempt(text)).unwrap());
    let content = fs::read_to_string(dir.path().join(format!("{:020}.ndjson", 1))).unwrap();
    let acts = |sign: &char| {
        (sign.is_control() && *sign != '\n')
            || matches!(sign, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    assert_eq!(content.chars().filter(acts).collect::<String>(), "");
    assert!(content.contains("名前 🦀"), "what only prints stays readable");
}

#[test]
fn an_oversized_text_is_trimmed_with_a_mark_and_the_event_stays() {
    let dir = tempfile::tempdir().unwrap();
    let emitter = emitter(dir.path());
    emitter.emit(request(&format!("/api/{}", "é".repeat(100_000))).message("short")).unwrap();
    let event = json(&spooled(dir.path())[0]);
    let path = event["request_path"].as_str().unwrap();
    assert!(path.starts_with("/api/éé") && path.ends_with("… [cut: 200005 bytes]"), "{}", &path[path.len() - 40..]);
    assert!(path.len() > 4000);
    assert_eq!((event["verb"].as_str(), event["message"].as_str()), (Some("GET"), Some("short")));
}

#[test]
fn no_shape_of_an_event_is_too_long_to_be_kept() {
    let mut deep = json!("x".repeat(1000));
    for _ in 0..50 {
        deep = json!({"a": deep, "b": ["y".repeat(1000), "z"]});
    }
    let wide: serde_json::Map<String, serde_json::Value> =
        (0..5000).map(|key| (format!("{key}{}", "k".repeat(100)), json!(key))).collect();
    let long_key = json!({"k".repeat(100_000): 1});
    let controls = json!("\u{1}".repeat(40_000));
    let dir = tempfile::tempdir().unwrap();
    let emitter = emitter(dir.path());
    let shapes = [
        json!({"claims": deep}),
        json!(wide),
        json!({"claims": vec!["g".repeat(300); 5000]}),
        long_key,
        json!({"claims": controls}),
    ];
    for attributes in &shapes {
        let login = UserLogin { attributes: serde_json::from_value(attributes.clone()).unwrap(), ..UserLogin::local() };
        emitter.emit(Event::new(Body::UserLogin(login)).by_claimed(&"u".repeat(50_000)).failed("no")).unwrap();
    }
    let records = spooled(dir.path());
    assert_chain(&records);
    assert_eq!(records.len(), shapes.len());
    for record in &records {
        assert!(record.part().json().len() <= LONGEST);
        assert_eq!((json(record)["code"].as_str(), json(record)["error"].as_str()), (Some("T1000W"), Some("no")));
    }
}
