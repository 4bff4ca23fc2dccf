//! Whatever happens to a run, what it ends in is what an undisturbed run ends in.
//!
//! `BERTILLON_KILLS` says how often runs are killed, by default a few times; `make test-faults` makes it 50.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may stop at what it does not expect, and says what it tried"
)]

#[allow(dead_code, reason = "shared with tests that use all of it")]
mod place;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use bertillon::Stream;
use place::{Place, said};

/// Benign and crafted queries on three small networks.
const SUITE: &str = r#"name = "demo"
[data]
source = "fashion-mnist"
pool   = 300
[models]
source = "zoo"
names  = ["lenet-a", "lenet-b", "resnet-a"]
[[variants]]
plugin = "prune"
grid   = { layers = ["conv"], amount = [0.1, 0.2, 0.3] }
[[variants]]
plugin = "jpeg"
grid   = { quality = [80, 60, 40] }
[[variants]]
plugin  = "randomized-smoothing"
samples = 10
[[fingerprints]]
name     = "FBI"
method   = "fbi"
selector = "random"
[[fingerprints]]
name   = "IP-Guard"
method = "ip-guard"
attack = { name = "bp", steps = 20 }
bank   = 20
[evaluation]
budgets = [10, 20]
draws   = 3
"#;

/// A place in which `out` has the results of a run that nobody disturbed, and the time that took.
fn undisturbed() -> (Place, Duration) {
    let place = Place::with(SUITE);
    let began = Instant::now();
    let (code, _, stderr) = place.run(&["run", "demo.toml", "--cache", "whole", "--out", "out"]);
    assert_eq!(code, 0, "{stderr}");
    (place, began.elapsed())
}

fn files(place: &Place, out: &str) -> [Vec<u8>; 2] {
    ["results.json", "pairs.parquet"].map(|name| fs::read(place.path(out).join(name)).unwrap())
}

/// Ends the run in `cache` and `out` undisturbed, and checks that nothing tells of what was done to it.
fn ends_well(place: &Place, cache: &str, out: &str) {
    let (code, _, stderr) = place.run(&["run", "demo.toml", "--cache", cache, "--out", out]);
    assert_eq!(code, 0, "{stderr}");
    assert!(!stderr.contains("damaged"), "{stderr}");
    assert_eq!(files(place, out), files(place, "out"));
    let (code, stdout, _) = place.run(&["cache", "verify", "--cache", cache]);
    assert_eq!((code, stdout.contains(" 0 damaged")), (0, true), "{stdout}");
    for folder in [cache, out] {
        let left = unfinished(&place.path(folder));
        assert!(left.is_empty(), "{left:?} are left");
    }
}

/// Files below a folder that are no results and no objects.
fn unfinished(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(unfinished(&path));
        } else if entry.file_name().to_string_lossy().starts_with('.') {
            found.push(path);
        }
    }
    found
}

fn kills() -> usize {
    std::env::var("BERTILLON_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

fn start(place: &Place, arguments: &[&str]) -> Child {
    place.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_in_the_same_bytes() {
    let (place, took) = undisturbed();
    let mut stream = Stream::named(1, ["kills"]);
    let (mut killed, mut finished) = (0, 0);
    while killed < kills() {
        let mut run = start(&place, &["run", "demo.toml", "--cache", "one", "--out", "one-out"]);
        thread::sleep(took.mul_f64(stream.uniform()));
        let was_alive = run.try_wait().unwrap().is_none();
        // SIGKILL: nothing of it runs any more.
        run.kill().unwrap();
        run.wait().unwrap();
        if was_alive {
            killed += 1;
        } else {
            finished += 1;
            drop(fs::remove_dir_all(place.path("one")));
        }
    }
    ends_well(&place, "one", "one-out");
    println!("{killed} kills of one process, {finished} runs ended before theirs");
}

#[test]
fn four_processes_on_one_cache_may_be_killed_at_any_time() {
    let (place, took) = undisturbed();
    let mut stream = Stream::named(2, ["kills"]);
    let mut killed = 0;
    for round in 0.. {
        if killed >= kills() {
            break;
        }
        let outs: Vec<String> = (0..4).map(|n| format!("many-out-{n}")).collect();
        let mut runs: Vec<Child> = outs
            .iter()
            .map(|out| {
                let threads = ["--threads", "1"];
                let run = ["run", "demo.toml", "--cache", "many", "--out", out];
                start(&place, &[&run[..], &threads[..]].concat())
            })
            .collect();
        for run in &mut runs {
            thread::sleep(took.mul_f64(0.5 * stream.uniform()));
            killed += usize::from(run.try_wait().unwrap().is_none());
            run.kill().unwrap();
            run.wait().unwrap();
        }
        // Now and then the whole starts from nothing, so that every moment of it is met.
        if round % 4 == 3 {
            drop(fs::remove_dir_all(place.path("many")));
        }
    }
    ends_well(&place, "many", "many-out-0");
    println!("{killed} kills of four processes on one cache");
}

#[test]
fn ctrl_c_ends_within_two_seconds_and_says_how_to_go_on() {
    let (place, took) = undisturbed();
    let command = ["run", "demo.toml", "--cache", "stopped", "--out", "stopped-out"];
    let mut run = place.command(&command);
    let run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    thread::sleep(took.mul_f64(0.5));
    let signalled = Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap();
    assert!(signalled.success());
    let began = Instant::now();
    let (code, _, stderr) = said(&run.wait_with_output().unwrap());
    println!("Ctrl-C: ended after {:.1} s", began.elapsed().as_secs_f64());
    if code == 0 {
        println!("skipped: the run ended before it was interrupted");
        return;
    }
    assert_eq!(code, 130, "{stderr}");
    assert!(stderr.contains("run the same command again"), "{stderr}");
    assert!(!place.path("stopped-out/results.json").exists());
    ends_well(&place, "stopped", "stopped-out");
}

#[test]
fn a_cell_that_takes_long_does_not_hold_up_ctrl_c() {
    // One cell: smoothing by so many samples takes minutes.
    let suite = SUITE.replace("samples = 10", "samples = 100000");
    let place = Place::with(suite);
    let command = ["run", "demo.toml", "--quiet"];
    let mut run = place.command(&command);
    let run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    thread::sleep(Duration::from_secs(8));
    let signalled = Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap();
    assert!(signalled.success());
    let (code, _, stderr) = said(&run.wait_with_output().unwrap());
    assert_eq!(code, 130, "{stderr}");
}

#[test]
fn a_damaged_cache_is_mended_with_a_word_and_the_results_are_the_same() {
    let (place, _) = undisturbed();
    let objects = objects(&place.path("whole"));
    let mut stream = Stream::named(3, ["damage"]);
    let (mut flipped, mut cut) = (0, 0);
    for object in &objects {
        let mut bytes = fs::read(object).unwrap();
        let length = u32::try_from(bytes.len()).unwrap();
        let at = stream.below(length) as usize;
        match stream.below(4) {
            0 => {
                bytes[at] ^= 1 << stream.below(8);
                flipped += 1;
            }
            1 => {
                bytes.truncate(at);
                cut += 1;
            }
            _ => continue,
        }
        fs::write(object, bytes).unwrap();
    }
    let (code, stdout, _) = place.run(&["cache", "verify", "--cache", "whole"]);
    assert_eq!(code, 1, "{stdout}");
    let (code, _, stderr) =
        place.run(&["run", "demo.toml", "--cache", "whole", "--out", "mended-out"]);
    assert_eq!((code, stderr.contains("it is computed anew")), (0, true), "{stderr}");
    assert_eq!(files(&place, "mended-out"), files(&place, "out"));
    ends_well(&place, "whole", "mended-out");
    println!("{flipped} flipped bits and {cut} cuts in {} objects", objects.len());
}

fn objects(cache: &Path) -> Vec<PathBuf> {
    let mut objects: Vec<PathBuf> = fs::read_dir(cache)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir() && path.file_name().is_some_and(|name| name.len() == 2))
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    objects.sort();
    objects
}

#[test]
fn a_disk_that_fills_up_or_is_read_only_loses_nothing_but_time() {
    let (place, _) = undisturbed();
    let program = env!("CARGO_BIN_EXE_bertillon");
    let [small, out] = ["small", "small-out"].map(|name| {
        fs::create_dir(place.path(name)).unwrap();
        place.path(name).display().to_string()
    });
    // A namespace of its own: the file system goes with the last process in it.
    let script = format!(
        "mount -t tmpfs -o size=64k tmpfs '{small}' || exit 99
         '{program}' run demo.toml --cache '{small}' --out '{out}' --quiet; code=$?
         mount -o remount,size=64m '{small}' || exit 99
         [ $code = 2 ] || exit $((200 + code % 50))
         ls '{out}' | grep -q results.json && exit 98
         '{program}' run demo.toml --cache '{small}' --out '{out}' --quiet || exit 97
         '{program}' cache verify --cache '{small}' || exit 96
         mount -o remount,ro '{small}' || exit 99
         '{program}' run demo.toml --cache '{small}' --out '{out}' --quiet; [ $? = 2 ] || exit 95"
    );
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .current_dir(place.path(""))
        .output();
    let (code, stdout, stderr) = match output {
        Ok(output) => said(&output),
        Err(error) => {
            println!("skipped: no `unshare` here ({error})");
            return;
        }
    };
    if code == 99 || stderr.contains("unshare failed") || stderr.contains("Operation not permitted")
    {
        println!("skipped: no file system can be mounted here: {stderr}");
        return;
    }
    assert_eq!(code, 0, "{stdout}\n{stderr}");
    for expected in ["No space left", "make room", "Read-only file system", "--cache"] {
        assert!(stderr.contains(expected), "{expected}: {stderr}");
    }
    assert_eq!(files(&place, "small-out"), files(&place, "out"));
    println!("one full disk of 64 kB, then one with room, then one that is read-only");
}

#[test]
fn a_cache_that_cannot_be_written_says_so_before_anything_is_computed() {
    let place = Place::with(SUITE);
    fs::write(place.path("file"), "no folder").unwrap();
    let (code, _, stderr) = place.run(&["run", "demo.toml", "--cache", "file"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("can't hold the cache") && stderr.contains("--cache"), "{stderr}");
}

#[test]
fn cells_that_fail_are_named_and_their_results_are_written() {
    let place = Place::with(SUITE.replace(
        "[[variants]]\nplugin  = \"rand",
        "[[variants]]\nplugin = \"finetune\"\nepochs = 1\nlearning_rate = 1e30\n[[variants]]\nplugin  = \"rand",
    ));
    let (code, stdout, stderr) = place.run(&["run", "demo.toml", "--out", "out"]);
    assert_eq!(code, 3, "{stderr}");
    assert!(stdout.contains("finetune/all of lenet-a"), "{stdout}");
    assert!(place.path("out/results.json").exists());
}
