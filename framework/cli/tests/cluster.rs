//! Plans that many processes work on: by hand, by the engine of one machine, and by a real Slurm on the loopback interface.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may stop at what it does not expect, and says what it skips"
)]

#[allow(dead_code, reason = "shared with tests that use all of it")]
mod place;
#[path = "cluster/slurm.rs"]
mod slurm;

use std::{
    fs,
    time::{Duration, Instant},
};

use place::Place;
use slurm::Cluster;

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
plugin  = "randomized-smoothing"
grid    = { sigma = [0.02, 0.04], samples = [SAMPLES] }
[[fingerprints]]
name     = "FBI"
method   = "fbi"
selector = "random"
[[fingerprints]]
name   = "IP-Guard"
method = "ip-guard"
attack = { name = "bp", steps = 10 }
bank   = 20
[evaluation]
budgets = [10, 20]
draws   = 3
"#;

/// A place with `plan.json`, whose results go to `shared-out`, and the results of one run in `out`.
fn planned(samples: usize) -> Place {
    let place = Place::with(SUITE.replace("SAMPLES", &samples.to_string()));
    let (code, _, stderr) = place.run(&["run", "demo.toml", "--cache", "alone", "--out", "out"]);
    assert_eq!(code, 0, "{stderr}");
    let shared = ["--cache", "shared", "--out", "shared-out", "-o", "plan.json"];
    let (code, stdout, stderr) = place.run(&[&["plan", "demo.toml"][..], &shared].concat());
    assert_eq!(code, 0, "{stderr}");
    for expected in ["vanillas", "crafting", "models", "18"] {
        assert!(stdout.contains(expected), "{expected}: {stdout}");
    }
    place
}

fn files(place: &Place, out: &str) -> [Vec<u8>; 2] {
    ["results.json", "pairs.parquet"].map(|name| fs::read(place.path(out).join(name)).unwrap())
}

fn told(place: &Place, arguments: &[&str]) -> String {
    let (code, stdout, stderr) = place.run(arguments);
    assert_eq!(code, 0, "{arguments:?}: {stdout}{stderr}");
    stdout
}

#[test]
fn shares_are_worked_on_shown_and_merged() {
    let place = planned(2);
    told(&place, &["work", "plan.json", "--shard", "1/2"]);
    let (code, _, stderr) = place.run(&["merge", "plan.json"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("cells are missing: ") && stderr.contains(" of lenet-"), "{stderr}");
    assert!(!place.path("shared-out/results.json").exists());
    let status = told(&place, &["status", "plan.json"]);
    assert!(status.contains("cells are missing") && status.contains("models"), "{status}");

    told(&place, &["work", "plan.json", "--shard", "2/2", "--phase", "vanillas"]);
    told(&place, &["work", "plan.json", "--shard", "2/2", "--quiet"]);
    let again = told(&place, &["work", "plan.json"]);
    assert!(again.contains("0 cells computed, 24 were there, 0 failures"), "{again}");
    let status = told(&place, &["status", "plan.json"]);
    assert!(status.contains("all cells are there"), "{status}");
    told(&place, &["merge", "plan.json"]);
    assert_eq!(files(&place, "shared-out"), files(&place, "out"));
    let planned = told(&place, &["run", "demo.toml", "--dry-run", "--cache", "shared"]);
    assert!(planned.contains("\n0 answers needed"), "{planned}");
    told(&place, &["run", "plan.json", "--out", "run-out"]);
    assert_eq!(files(&place, "run-out"), files(&place, "out"));

    let (code, _, stderr) = place.run(&["run", "plan.json", "--set", "seed=1"]);
    assert!(code == 2 && stderr.contains("nothing of it can be overridden"), "{stderr}");
    let (code, _, stderr) = place.run(&["work", "demo.toml"]);
    assert!(code == 2 && stderr.contains("is no plan"), "{stderr}");
    let (code, _, stderr) = place.run(&["work", "plan.json", "--shard", "3/2"]);
    assert!(code == 2 && stderr.contains("i/N"), "{stderr}");
}

#[test]
fn processes_of_one_machine_do_the_same() {
    let place = planned(2);
    let local = ["submit", "plan.json", "--engine", "local", "--shards", "3"];
    let stdout = told(&place, &local);
    assert!(stdout.contains("models: 3 processes"), "{stdout}");
    assert_eq!(files(&place, "shared-out"), files(&place, "out"));
    let stdout = told(&place, &local);
    assert!(stdout.contains("no cell is missing"), "{stdout}");
    let (code, _, stderr) = place.run(&[&local[..], &["--gpus", "1"]].concat());
    assert!(code == 2 && stderr.contains("--engine slurm"), "{stderr}");
}

#[test]
fn a_finished_run_is_reproduced_from_its_provenance() {
    let place = planned(2);
    let stdout = told(&place, &["reproduce", "out", "--cache", "alone", "--sample", "4"]);
    assert!(stdout.contains("4 of 21 cells computed again: 4 equal to the byte"), "{stdout}");
    let stdout = told(&place, &["reproduce", "out", "--cache", "alone"]);
    for expected in ["21 equal to the byte", "results.json: equal", "pairs.parquet: equal"] {
        assert!(stdout.contains(expected), "{stdout}");
    }
    let (code, _, stderr) = place.run(&["reproduce", "nowhere"]);
    assert!(code == 2 && stderr.contains("name the folder of a run"), "{stderr}");
    // What the run said of a model was not what it is.
    let path = place.path("out/provenance.json");
    let text = fs::read_to_string(&path).unwrap();
    let start = text.find("\"labels\": \"").unwrap() + "\"labels\": \"".len();
    let other = text[..start].to_owned() + "0000" + &text[start + 4..];
    let content = other.replace("\"content\": \"", "\"content\": \"0");
    fs::write(&path, content).unwrap();
    let (code, stdout, _) = place.run(&["reproduce", "out", "--cache", "alone"]);
    assert!(code == 1 && stdout.contains(": different\n"), "{stdout}");
    assert!(stdout.contains("20 equal in labels, 1 different"), "{stdout}");
}

#[test]
fn without_slurm_it_is_said_what_is_missing() {
    let place = planned(2);
    let output = place.command(&["submit", "plan.json", "--shards", "2"]).env("PATH", "").output();
    let (code, _, stderr) = place::said(&output.unwrap());
    assert!(code == 2 && stderr.contains("is Slurm here?"), "{stderr}");
    assert!(stderr.contains("--engine local"), "{stderr}");
}

/// Slow, and its daemons want packages: only where it is asked for.
#[test]
fn a_cluster_that_loses_a_node_comes_to_the_bytes_of_one_machine() {
    if std::env::var_os("BERTILLON_CLUSTER").is_none() {
        println!("skipped: `make test-cluster` asks for it");
        return;
    }
    let cluster = match Cluster::start() {
        Ok(cluster) => cluster,
        Err(reason) => {
            println!("skipped: {reason}");
            return;
        }
    };
    let place = planned(40);
    let submit = |place: &Place| {
        let mut command = place.command(&["submit", "plan.json", "--shards", "8", "--quiet"]);
        place::said(&cluster.environment(&mut command).output().unwrap())
    };
    let began = Instant::now();
    let (code, stdout, stderr) = submit(&place);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("merge: job "), "{stdout}");
    cluster.wait_for("a task of the last phase on the first node", || {
        let running = ["-h", "-t", "R", "-w", "w1", "-n", "bertillon-models", "-o", "%i"];
        !cluster.ask("squeue", &running).trim().is_empty()
    });
    let mut status = place.command(&["status", "plan.json"]);
    let (_, status, complaint) = place::said(&cluster.environment(&mut status).output().unwrap());
    assert!(status.contains("running") || complaint.contains("not known"), "{status}{complaint}");
    println!("{status}{complaint}");
    thread_sleep(Duration::from_secs(2));
    let tasks = cluster.lose("w1");
    assert!(tasks > 0, "no task was lost");
    cluster.wait_for("the end of all jobs", || cluster.ask("squeue", &["-h"]).trim().is_empty());
    let mut submissions = 1;
    while !place.path("shared-out/results.json").exists() {
        assert!(submissions < 4, "{}", cluster.logs(&place.path("plan.json.jobs")));
        submissions += 1;
        let (code, _, stderr) = submit(&place);
        assert_eq!(code, 0, "{stderr}");
        cluster
            .wait_for("the end of all jobs", || cluster.ask("squeue", &["-h"]).trim().is_empty());
    }
    assert_eq!(files(&place, "shared-out"), files(&place, "out"));
    println!(
        "8 shards on 2 nodes, 1 node lost with {tasks} processes, {submissions} submissions, {:.0} s: equal to the byte",
        began.elapsed().as_secs_f64()
    );
}

fn thread_sleep(time: Duration) {
    std::thread::sleep(time);
}
