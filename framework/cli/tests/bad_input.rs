//! Suites that are none, and names that would confuse a reader, a terminal or the file system.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may stop at what it does not expect"
)]

#[allow(dead_code, reason = "each file of tests uses a part of it")]
mod place;

use std::fs;

use place::{Place, SUITE, is_unsafe};

/// Standard error of a dry run that must end as a user's mistake and leave nothing behind.
#[track_caller]
fn mistake(place: &Place) -> String {
    let stderr = place.mistake(&["run", "demo.toml", "--dry-run"]);
    assert!(!is_unsafe(&stderr), "{stderr:?}");
    assert!(stderr.contains("demo.toml"), "{stderr}");
    assert!(stderr.len() < 20_000, "{} bytes", stderr.len());
    stderr
}

#[test]
fn a_file_that_is_no_suite_is_told_apart() {
    let cases: [(&[u8], &str); 5] = [
        (b"", "it is empty"),
        (b" \n\r\n\t", "it is empty"),
        (b"name = \"caf\xe9\"\n", "it is not UTF-8"),
        (b"\xff\xfen\0a\0", "it is not UTF-8"),
        (b"\x7fELF\x02\x01\0\0", "not TOML"),
    ];
    for (bytes, expected) in cases {
        let stderr = mistake(&Place::with(bytes));
        assert!(stderr.contains(expected), "{expected}: {stderr}");
    }
    let stderr = mistake(&Place::with(b"seed = 1\nname = \"caf\xe9\"\n"));
    assert!(stderr.contains("demo.toml:2:12"), "{stderr}");
}

#[test]
fn a_folder_or_a_file_of_100_megabytes_is_no_suite() {
    let place = Place::new();
    fs::create_dir(place.path("demo.toml")).unwrap();
    assert!(mistake(&place).contains("it is a folder"));
    let place = Place::with("");
    fs::File::create(place.path("demo.toml")).unwrap().set_len(100 << 20).unwrap();
    assert!(mistake(&place).contains("more than 1024 kB"));
}

#[test]
fn a_line_of_half_a_megabyte_is_not_repeated() {
    let place = Place::with(format!("{SUITE}\nx = [{}]\n", "1,".repeat(250_000)));
    assert!(mistake(&place).contains("unknown key `x`"));
}

#[test]
fn a_byte_order_mark_and_windows_line_endings_do_no_harm() {
    let place = Place::with(format!("\u{feff}{}", SUITE.replace('\n', "\r\n")));
    let (code, _, stderr) = place.run(&["run", "demo.toml", "--dry-run"]);
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn a_name_never_leads_out_of_the_results_folder() {
    let long = "x".repeat(101);
    for name in ["../up", "..", "a/b", "/etc/x", "a\\\\b", ".hidden", "", " ", "a b", "ü", &long] {
        let stderr = mistake(&Place::with(SUITE.replace("\"demo\"", &format!("\"{name}\""))));
        assert!(stderr.contains("`name`"), "{name}: {stderr}");
    }
}

#[test]
fn names_that_hide_or_command_are_refused() {
    for name in [
        r"a\nb",
        r"\u001b[2J",
        r"\u0000",
        r"\u009b31m",
        r"safe\u202Etxt.exe",
        r"\u2066x",
        r"zero\u200Bwidth",
        r"line\u2028end",
    ] {
        let stderr = mistake(&Place::with(SUITE.replace("\"FBI\"", &format!("\"{name}\""))));
        assert!(stderr.contains("`name` can't be used: it has"), "{name}: {stderr}");
        assert!(stderr.contains("demo.toml:16:8"), "{name}: {stderr}");
    }
}

#[test]
fn names_of_any_script_and_with_markup_are_shown_as_they_are() {
    for name in ["שלום עולם", "بصمة", "指紋", "<b>&amp;</b>", "=1+1", "it's \\\"quoted\\\" | *x*"]
    {
        let place = Place::with(SUITE.replace("\"FBI\"", &format!("\"{name}\"")));
        let (code, stdout, stderr) = place.run(&["run", "demo.toml", "--dry-run"]);
        assert_eq!((code, stderr.as_str()), (0, ""), "{name}");
        assert!(stdout.contains(&name.replace('\\', "")), "{name}: {stdout}");
    }
}

#[test]
fn what_commands_a_terminal_is_shown_harmless_in_an_error() {
    let stderr = mistake(&Place::with(format!("{SUITE}# \u{1b}]0;owned\u{7} \u{202e}\nx = 1\n")));
    assert!(stderr.contains("]0;owned"), "{stderr}");
    // A file's own name, too.
    let place = Place::with("");
    let name = "\u{1b}[31mred\u{202e}.toml";
    fs::write(place.path(name), "x = 1\n").unwrap();
    let (code, _, stderr) = place.run(&["run", name]);
    assert_eq!(code, 2);
    assert!(!is_unsafe(&stderr), "{stderr:?}");
}

#[test]
fn programs_get_every_mistake_as_json() {
    let suite = SUITE.replace("draws", "drawz").replace("\"prune\"", "\"prunne\"");
    let place = Place::with(suite);
    let (code, stdout, stderr) =
        place.run(&["run", "demo.toml", "--dry-run", "--error-format", "json"]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    let mistakes: Vec<serde_json::Value> =
        stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let places: Vec<_> =
        mistakes.iter().map(|m| (m["line"].clone(), m["column"].clone())).collect();
    assert_eq!(places, [(12.into(), 10.into()), (22.into(), 1.into())], "{stderr}");
    assert_eq!(mistakes[1]["help"], "did you mean `draws`?");
    let (code, _, stderr) = place.run(&["describe", "prunne", "--error-format", "json"]);
    assert_eq!(code, 2);
    let error: serde_json::Value = serde_json::from_str(&stderr).unwrap();
    assert!(error["message"].as_str().unwrap().contains("did you mean `prune`?"), "{stderr}");
}
